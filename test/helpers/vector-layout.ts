/** Reads the OCI layouts of the image vectors: a tar of a layout in, decompressed layers in config order out. */
import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { decompressSection } from '../../src/formats/zstd/decompress.js'
import { readVector } from './vectors.js'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
}

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

export interface VectorLayer {
  /** Digest of the uncompressed bytes. */
  readonly diffId: string
  readonly tar: Buffer
}

const MAX_LAYER = 1 << 26

function decompress(mediaType: string, blob: Buffer): Buffer {
  if (mediaType.endsWith('gzip')) return gunzipSync(blob)
  return mediaType.endsWith('zstd') ? decompressSection(blob, MAX_LAYER) : blob
}

/** The files of a tar by name, read by tar-stream. */
async function filesOf(tar: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const reader = extract()
  reader.end(tar)
  for await (const entry of reader) files.set(entry.header.name.replace(/^\.\//, ''), await buffer(entry))
  return files
}

/**
 * The layers of the manifest with this digest (default: the only one) in `oci/images/<name>/layout.tar`.
 */
export async function vectorLayers(name: string, manifestDigest?: string): Promise<VectorLayer[]> {
  const files = await filesOf(readVector('oci', 'images', name, 'layout.tar'))
  const blob = (digest: string): Buffer => {
    const bytes = files.get(`blobs/${digest.replace(':', '/')}`)
    if (bytes === undefined) throw new Error(`${name}: no blob ${digest}`)
    return bytes
  }
  const index = JSON.parse(String(files.get('index.json'))) as { manifests: Descriptor[] }
  const digest = manifestDigest ?? index.manifests[0]?.digest
  if (digest === undefined) throw new Error(`${name}: no manifest`)
  const manifest = JSON.parse(String(blob(digest))) as Manifest
  return manifest.layers.map((layer) => {
    const tar = decompress(layer.mediaType, blob(layer.digest))
    return { diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}`, tar }
  })
}
