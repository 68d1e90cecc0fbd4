/** A stored layer by its diff_id: tar, entries, figures; and layers that come in by hand (oci.md §5.4). */
import { SluiceError } from '../errors.js'
import type { ByteString } from '../formats/bytes.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import { contentType } from '../formats/splitstream/format.js'
import { dumpTarEntry } from '../formats/tar/dump.js'
import { defaults } from '../options.js'
import { checkName, streamName } from '../repository/names.js'
import type { OpenStream, Repository } from '../repository/repository.js'
import { objectSize, readLayerEntries } from '../stages/erofs/image-tree.js'
import { mergeStream, streamParts } from '../stages/splitstream/read.js'
import { importLayer } from '../stages/tar/import-layer.js'
import { openEngine } from '../workers/open-engine.js'
import { readFromRepository } from './on-repository.js'

/** `oci layer --json`; the names are the reference's. Sizes in bytes. */
export interface LayerDetails {
  readonly diffId: Digest
  readonly verity: ObjectId
  readonly size: number
  readonly entryCount: number
  readonly splitstream: {
    /** Distinct objects. */
    readonly externalObjects: number
    /** Sum over their occurrences. */
    readonly externalSize: number
    readonly inlineSize: number
  }
}

function openLayer(repository: Repository, diffId: Digest): OpenStream {
  const id = repository.streams.objectOf(streamName.layer(diffId))
  if (id === undefined) throw new SluiceError('SLUICE_NOT_FOUND', `Layer ${diffId} not found`)
  return repository.openStreamObject(id, `layer ${diffId}`, contentType.layer)
}

/** The tar of a layer, byte for byte as it came. */
export function layerTar(repository: Repository, diffId: Digest, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  return readFromRepository(repository, () => readTar(repository, diffId, signal), signal)
}

async function* readTar(
  repository: Repository,
  diffId: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const stream = openLayer(repository, diffId)
  try {
    yield* mergeStream(repository, stream, signal)
  } finally {
    stream.close()
  }
}

/** The dumpfile line of each entry of the tar, unmerged and in order; before an error, those that precede it. */
export function layerEntries(repository: Repository, diffId: Digest, signal?: AbortSignal): AsyncGenerator<ByteString> {
  return readFromRepository(repository, () => readEntries(repository, diffId, signal), signal)
}

async function* readEntries(
  repository: Repository,
  diffId: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteString> {
  const stream = openLayer(repository, diffId)
  try {
    for await (const entry of readLayerEntries(repository, stream, signal)) yield dumpTarEntry(entry)
  } finally {
    stream.close()
  }
}

export async function describeLayer(
  repository: Repository,
  diffId: Digest,
  signal?: AbortSignal,
): Promise<LayerDetails> {
  return repository.during(() => readDetails(repository, diffId, signal), signal)
}

async function readDetails(
  repository: Repository,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<LayerDetails> {
  const stream = openLayer(repository, diffId)
  try {
    let entryCount = 0
    for await (const _ of readLayerEntries(repository, stream, signal)) entryCount++
    // By number in the table, which may have more than the layer holds.
    const sizes: number[] = []
    let externalSize = 0
    for await (const parts of streamParts(stream, signal)) {
      for (const part of parts) {
        if (typeof part === 'number') {
          externalSize += sizes[part] ??= objectSize(repository, stream.objectRefs.at(part))
        }
      }
    }
    const size = Number(stream.size)
    return {
      diffId,
      verity: stream.id,
      size,
      entryCount,
      splitstream: {
        externalObjects: stream.objectRefs.length,
        externalSize,
        inlineSize: Math.max(0, size - externalSize),
      },
    }
  } finally {
    stream.close()
  }
}

/**
 * Imports a tar as the layer `diffId` and, if given, names it `refs/<name>`. A layer that is there is not read again.
 *
 * @throws SluiceError `SLUICE_DIGEST_MISMATCH` if the tar has another digest.
 */
export async function importTarLayer(
  repository: Repository,
  diffId: Digest,
  tar: AsyncIterable<Uint8Array>,
  name?: string,
  signal?: AbortSignal,
): Promise<ObjectId> {
  if (name !== undefined) checkName(name, 'layer name')
  repository.ensureWritable()
  return repository.during(async () => {
    const stream =
      repository.streams.objectOf(streamName.layer(diffId)) ?? (await importTar(repository, diffId, tar, signal))
    if (name !== undefined) repository.streams.linkRef(name, streamName.layer(diffId))
    return stream
  }, signal)
}

async function importTar(
  repository: Repository,
  diffId: Digest,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ObjectId> {
  const engine = openEngine(repository, { maxMemory: defaults.maxMemory, layers: 1 })
  try {
    const { stream } = await importLayer(repository, engine, { id: diffId, diffId }, tar, signal && { signal })
    await repository.nameStream(streamName.layer(diffId), stream)
    return stream
  } finally {
    await engine.close()
  }
}
