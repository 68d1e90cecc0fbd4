/** The file tree of an image from its stored layers (oci.md §4). */
import { statSync } from 'node:fs'
import { errnoOf, ioError, SluiceError, withContext } from '../../errors.js'
import type { Digest, ObjectId } from '../../formats/digest.js'
import { contentType } from '../../formats/splitstream/format.js'
import { TarEntryReader, type TarEntry } from '../../formats/tar/entries.js'
import { LayerMerger } from '../../formats/tree/merge.js'
import { finishTree, keepXattrs, type XattrMode } from '../../formats/tree/transform.js'
import type { Directory } from '../../formats/tree/tree.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import { streamParts } from '../splitstream/read.js'

export interface StoredLayer {
  readonly diffId: Digest
  /** Its splitstream. */
  readonly stream: ObjectId
  /** What it holds, if that is known; else it is read from the splitstream. */
  readonly entries?: readonly TarEntry[] | undefined
}

export interface TreeOptions {
  /** Which xattrs stay; the reference's default keeps `security.capability` only. */
  readonly xattrs: XattrMode
  /** Refuse what the reference refuses (oci.md §4.0). */
  readonly parity: boolean
}

/** The entries of a stored layer, in order; before an error, those that precede it. */
export async function* readLayerEntries(
  repository: Repository,
  stream: OpenStream,
  signal?: AbortSignal,
): AsyncGenerator<TarEntry> {
  let entries: TarEntry[] = []
  const reader = new TarEntryReader((entry) => entries.push(entry))
  const take = () => {
    const batch = entries
    entries = []
    return batch
  }
  try {
    for await (const parts of streamParts(stream, signal)) {
      for (const part of parts) {
        if (typeof part !== 'number') reader.inline(part)
        else reader.external(stream.objectRefs.at(part), objectSize(repository, stream.objectRefs.at(part)))
      }
      yield* take()
    }
    reader.end()
  } finally {
    yield* take()
  }
}

/** @throws SluiceError `SLUICE_CORRUPT` if it is missing. */
export function objectSize(repository: Repository, id: ObjectId): number {
  try {
    return statSync(repository.objects.path(id)).size
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw ioError(cause, `cannot look at object ${id}`)
    throw new SluiceError('SLUICE_CORRUPT', `object ${id} is missing`, { cause, details: { object: id } })
  }
}

/** Merges the layers, in config order, and applies the final transform. */
export async function buildImageTree(
  repository: Repository,
  layers: readonly StoredLayer[],
  options: TreeOptions,
  signal?: AbortSignal,
): Promise<Directory> {
  const merger = new LayerMerger({ parity: options.parity })
  // What goes in the end need not be kept until then.
  const apply = (entry: TarEntry): void => {
    const isPlain = entry.type === 'hardlink' || entry.stat.xattrs.size === 0
    merger.apply(isPlain ? entry : { ...entry, stat: keepXattrs(entry.stat, options.xattrs) })
  }
  for (const layer of layers) {
    try {
      if (layer.entries !== undefined) for (const entry of layer.entries) apply(entry)
      else await readLayer(repository, layer, apply, signal)
    } catch (error) {
      throw withContext(error, `layer ${layer.diffId}`)
    }
  }
  finishTree(merger.root, options)
  return merger.root
}

async function readLayer(
  repository: Repository,
  { diffId, stream }: StoredLayer,
  apply: (entry: TarEntry) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const open = repository.openStreamObject(stream, `layer ${diffId}`, contentType.layer)
  try {
    for await (const entry of readLayerEntries(repository, open, signal)) apply(entry)
  } finally {
    open.close()
  }
}
