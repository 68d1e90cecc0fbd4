/** What it saves that images share whole layers, and beyond that, that equal files are stored once. */
import { ostreeContentType } from '../../formats/ostree/commit-stream-format.js'
import { contentType } from '../../formats/splitstream/format.js'
import type { Holder, StreamNode } from './holders.js'

/** Contents of files, and the splitstreams of layers and of ostree commits, which count as layers here. */
export interface Deduplication {
  /** If each image had its layers for itself, and each layer its files; equal files within one layer count once. */
  readonly separateBytes: number
  /** Saved because a layer that several images have is stored once. */
  readonly savedByLayersBytes: number
  /** Saved because a file that several layers have is stored once. */
  readonly savedByFilesBytes: number
  /** What is left of it. */
  readonly storedBytes: number
}

const layerTypes: readonly string[] = [contentType.layer, contentType.blob]

/** The layers of a holder, artifacts' blobs among them. */
export function layersOf({ streams }: Holder): StreamNode[] {
  return streams.filter(({ contentType: type }) => layerTypes.includes(type))
}

/** What holds files: layers, or an ostree commit. */
function contentsOf(holder: Holder): StreamNode[] {
  const commits = holder.streams.filter(({ contentType: type }) => type === ostreeContentType.commit)
  return [...layersOf(holder), ...commits]
}

export function measureDeduplication(images: readonly Holder[], sizes: readonly number[]): Deduplication {
  const isCounted = new Uint8Array(sizes.length)
  const bytesOf = new Map<StreamNode, number>()
  let stored = 0
  const measure = ({ object: stream, content }: StreamNode): number => {
    let bytes = 0
    for (const object of new Set([stream, ...content])) {
      const size = Math.max(sizes[object], 0)
      bytes += size
      if (isCounted[object] === 0) stored += size
      isCounted[object] = 1
    }
    return bytes
  }
  let separate = 0
  for (const layer of images.flatMap(contentsOf)) {
    const bytes = bytesOf.get(layer) ?? measure(layer)
    bytesOf.set(layer, bytes)
    separate += bytes
  }
  const inLayers = [...bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0)
  return {
    separateBytes: separate,
    savedByLayersBytes: separate - inLayers,
    savedByFilesBytes: inLayers - stored,
    storedBytes: stored,
  }
}
