/** What a repository already holds of an image, trusted only as far as it was looked at. */
import { createHash } from 'node:crypto'
import { isDamage, SluiceError } from '../errors.js'
import { digestHashName, type Digest, type ObjectId } from '../formats/digest.js'
import { MAX_DOCUMENT_BYTES } from '../formats/oci/json-fields.js'
import { contentType } from '../formats/splitstream/format.js'
import type { ObjectTable } from '../formats/splitstream/read.js'
import { streamName } from './names.js'
import { haveAllObjects } from './object-presence.js'
import type { OpenStream, Repository } from './repository.js'

export interface StoredDocument {
  /** Its splitstream. */
  readonly stream: ObjectId
  readonly bytes: Buffer
  readonly namedRefs: ReadonlyMap<string, ObjectId>
}

/** The document of an open manifest or config stream: exactly one object (repository.md §4). */
export function readDocument(repository: Repository, stream: OpenStream, what: string): Buffer {
  if (stream.objectRefs.length !== 1) {
    throw new SluiceError('SLUICE_CORRUPT', `${what} must refer to one object, not ${stream.objectRefs.length}`)
  }
  return repository.objects.read(stream.objectRefs.at(0), MAX_DOCUMENT_BYTES)
}

/** Whether `bytes` have the digest. */
function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(digestHashName(digest)).update(bytes).digest('hex') === digest.slice(digest.indexOf(':') + 1)
}

/**
 * A stored manifest or config.
 *
 * @param stream its splitstream, if that is known: the name may have another one by now; default: the one that has the name.
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none; if it is damaged, one that `isDamage` knows.
 */
export function readStoredDocument(
  repository: Repository,
  kind: 'manifest' | 'config',
  digest: Digest,
  stream?: ObjectId,
): StoredDocument {
  const name = streamName[kind](digest)
  const open =
    stream === undefined
      ? repository.openStream(name, contentType[kind])
      : repository.openStreamObject(stream, `stream ${name}`, contentType[kind])
  try {
    const bytes = readDocument(repository, open, `stream ${name}`)
    if (!hasDigest(bytes, digest)) {
      throw new SluiceError('SLUICE_CORRUPT', `stream ${name} holds something else than its name says`)
    }
    return { stream: open.id, bytes, namedRefs: open.namedRefs }
  } finally {
    open.close()
  }
}

/**
 * The splitstream of an image's config: the one that the manifest refers to, as it keeps that one from being collected.
 *
 * @throws SluiceError `SLUICE_CORRUPT` if it refers to none.
 */
export function configStreamOf(manifest: StoredDocument, config: Digest): ObjectId {
  const stream = manifest.namedRefs.get(`config:${config}`)
  if (stream !== undefined) return stream
  throw new SluiceError('SLUICE_CORRUPT', `the manifest does not refer to its config ${config}`)
}

/** Layers are tars; blobs are the layers of artifacts. */
export type LayerType = 'layer' | 'blob'

/** The stored layer, or undefined if it is missing, damaged, or lacks an object: then it is fetched again (design.md §9.10). */
export function findStoredLayer(repository: Repository, digest: Digest, type: LayerType): ObjectId | undefined {
  return findStoredLayers(repository, new Map([[digest, type]])).get(digest)
}

/** As `findStoredLayer` for all layers of an image, whose objects are looked up together; gives those that are stored. */
export function findStoredLayers(
  repository: Repository,
  layers: ReadonlyMap<Digest, LayerType>,
): Map<Digest, ObjectId> {
  const found: [Digest, OpenStream][] = []
  for (const [digest, type] of layers) {
    const stream = unlessDamaged(() => repository.openStream(streamName.layer(digest), contentType[type]))
    stream?.close()
    if (stream !== undefined) found.push([digest, stream])
  }
  const whole = lackNothing(
    repository,
    found.map(([, { objectRefs }]) => objectRefs),
  )
  return new Map(found.filter((_, at) => whole[at]).map(([digest, { id }]) => [digest, id]))
}

/** Whether the splitstream `id` of a layer, which need not have a name yet, can be read and lacks no object. */
export function isWholeLayer(repository: Repository, id: ObjectId, type: LayerType): boolean {
  const stream = unlessDamaged(() => repository.openStreamObject(id, `object ${id}`, contentType[type]))
  stream?.close()
  return stream !== undefined && lackNothing(repository, [stream.objectRefs])[0]
}

/** For each of `tables`, whether all its objects are there; in a secure repository, as the kernel measures them (design.md §3). */
export function lackNothing(repository: Repository, tables: readonly ObjectTable[]): boolean[] {
  const isThere = (id: ObjectId) => unlessDamaged(() => repository.objects.has(id)) === true
  const whole = haveAllObjects(repository.objects, tables)
  return repository.secure ? tables.map((table, at) => whole[at] && [...table].every(isThere)) : whole
}

/** The stored document, or undefined if it is missing or damaged. */
export function findStoredDocument(
  repository: Repository,
  kind: 'manifest' | 'config',
  digest: Digest,
): StoredDocument | undefined {
  return unlessDamaged(() => readStoredDocument(repository, kind, digest))
}

/** Whether the EROFS image `id` is stored and linked. */
export function hasImage({ images, objects }: Repository, id: ObjectId): boolean {
  return unlessDamaged(() => images.objectOf(id) === id && objects.isStored(id)) === true
}

function unlessDamaged<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (saysDamaged(error)) return undefined
    throw error
  }
}

/** Whether something stored is missing or damaged by this error, and so to be pulled again (design.md §9.10). */
export function saysDamaged(error: unknown): boolean {
  return isDamage(error) || (error instanceof SluiceError && error.code === 'SLUICE_NOT_FOUND')
}
