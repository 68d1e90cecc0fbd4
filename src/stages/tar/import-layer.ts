/**
 * One layer from its tar bytes into the repository: diff_id, header walk, objects, splitstream, in one pass.
 *
 * The layer gets its name last, when its digest is right and all of it is on disk (repository.md §2.9).
 */
import { createHash } from 'node:crypto'
import { cancelled, SluiceError, withContext } from '../../errors.js'
import { digestHashName, type Digest, type ObjectId } from '../../formats/digest.js'
import { contentType } from '../../formats/splitstream/format.js'
import { TarSplitter } from '../../formats/tar/split.js'
import { streamName } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import { ObjectSink, type ObjectStats } from '../object/object-sink.js'
import { SplitstreamWriter } from '../splitstream/write.js'

export interface ImportedLayer {
  /** The layer's splitstream. */
  readonly stream: ObjectId
  /** Length of the tar in bytes. */
  readonly size: number
  readonly inlineBytes: number
  readonly objects: Readonly<ObjectStats>
}

export interface LayerName {
  /** What the layer is stored under: its diff_id, or for an artifact the digest of the blob. */
  readonly id: Digest
  /** The digest the tar must have; an artifact states none (oci.md §1.5). */
  readonly diffId: Digest | undefined
}

/**
 * Imports the tar `bytes` as a layer.
 *
 * @throws SluiceError `SLUICE_DIGEST_MISMATCH` if the tar has another digest: its objects stay, the name is not given.
 */
export async function importLayer(
  repository: Repository,
  { id: layerId, diffId }: LayerName,
  bytes: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<ImportedLayer> {
  const digest = createHash(digestHashName(diffId ?? layerId))
  const objects = new ObjectSink(repository.objects)
  const writer = new SplitstreamWriter(repository.objects, contentType.layer)
  let bodySize = 0
  const splitter = new TarSplitter({
    inline: (data) => writer.inline(data),
    beginObject: (size) => {
      bodySize = size
      objects.begin(size)
    },
    objectData: (data) => objects.data(data),
    endObject: () => writer.external(objects.end(), bodySize),
  })
  let size = 0
  try {
    for await (const piece of bytes) {
      if (signal?.aborted === true) throw cancelled(signal)
      digest.update(piece)
      size += piece.length
      splitter.push(piece)
      await writer.settle()
    }
    splitter.end()
    const actual = `${layerId.slice(0, layerId.indexOf(':'))}:${digest.digest('hex')}`
    if (diffId !== undefined && actual !== diffId) {
      throw new SluiceError('SLUICE_DIGEST_MISMATCH', `the layer's tar is ${actual}, not its diff_id`, {
        details: { expected: diffId, actual },
      })
    }
    const { id } = await writer.finish()
    await publishStream(repository, streamName.layer(layerId), id)
    return { stream: id, size, inlineBytes: writer.inlineBytes, objects: objects.stats }
  } catch (error) {
    objects.abort()
    writer.abort()
    throw withContext(error, `layer ${layerId}`)
  }
}

/** Imports the raw bytes of a blob that is no tar, the layer of an artifact: one object (oci.md §3.3). */
export async function importBlobLayer(
  repository: Repository,
  digest: Digest,
  bytes: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<ImportedLayer> {
  const object = repository.objects.begin()
  const writer = new SplitstreamWriter(repository.objects, contentType.blob)
  try {
    for await (const piece of bytes) {
      if (signal?.aborted === true) throw cancelled(signal)
      object.write(piece)
    }
    const { id, size, isNew } = object.commit()
    writer.external(id, size)
    const stream = (await writer.finish()).id
    await publishStream(repository, streamName.layer(digest), stream)
    const objects = isNew
      ? { newObjects: 1, presentObjects: 0, storedBytes: size }
      : { newObjects: 0, presentObjects: 1, storedBytes: 0 }
    return { stream, size, inlineBytes: 0, objects }
  } catch (error) {
    object.abort()
    writer.abort()
    throw withContext(error, `layer ${digest}`)
  }
}

async function publishStream(repository: Repository, name: string, id: ObjectId): Promise<void> {
  await repository.sync()
  repository.streams.link(name, id)
}
