/** What a repository already holds of an image, trusted only as far as it was looked at. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { SluiceError } from '../errors.js'
import { digestHashName, type Digest, type ObjectId } from '../formats/digest.js'
import { contentType } from '../formats/splitstream/format.js'
import { verityDigest } from '../formats/verity/digest.js'
import { streamName } from './names.js'
import type { OpenStream, Repository } from './repository.js'

/** Largest manifest or config; the registry client refuses larger ones too. */
export const MAX_DOCUMENT = 4 * 1024 * 1024
/** Largest EROFS image (erofs.md §10.1). */
export const MAX_IMAGE = 1024 * 1024 * 1024

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
  return repository.objects.read(stream.objectRefs.at(0), MAX_DOCUMENT)
}

/** Whether `bytes` have the digest. */
export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(digestHashName(digest)).update(bytes).digest('hex') === digest.slice(digest.indexOf(':') + 1)
}

/**
 * A stored manifest or config.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none, `SLUICE_CORRUPT` or `SLUICE_FORMAT` if it is damaged.
 */
export function readStoredDocument(
  repository: Repository,
  kind: 'manifest' | 'config',
  digest: Digest,
): StoredDocument {
  const name = streamName[kind](digest)
  const stream = repository.openStream(name, contentType[kind])
  try {
    const bytes = readDocument(repository, stream, `stream ${name}`)
    if (!hasDigest(bytes, digest)) {
      throw new SluiceError('SLUICE_CORRUPT', `stream ${name} holds something else than its name says`)
    }
    return { stream: stream.id, bytes, namedRefs: stream.namedRefs }
  } finally {
    stream.close()
  }
}

/** The stored layer, or undefined if it is missing, damaged, or lacks an object: then it is fetched again (design.md §9.10). */
export function findStoredLayer(repository: Repository, digest: Digest, type: 'layer' | 'blob'): ObjectId | undefined {
  return unlessDamaged(() => {
    const stream = repository.openStream(streamName.layer(digest), contentType[type])
    stream.close()
    for (const id of stream.objectRefs) {
      if (!existsSync(repository.objects.path(id))) return undefined
    }
    return stream.id
  })
}

/** The stored document, or undefined if it is missing or damaged. */
export function findStoredDocument(
  repository: Repository,
  kind: 'manifest' | 'config',
  digest: Digest,
): StoredDocument | undefined {
  return unlessDamaged(() => readStoredDocument(repository, kind, digest))
}

/** Whether the EROFS image `id` is stored, whole, and linked. */
export function hasImage(repository: Repository, id: ObjectId): boolean {
  const found = unlessDamaged(() =>
    repository.images.objectOf(id) === id
      ? verityDigest(repository.algorithm, repository.objects.read(id, MAX_IMAGE))
      : undefined,
  )
  return found === id
}

function unlessDamaged<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (error instanceof SluiceError && ['SLUICE_NOT_FOUND', 'SLUICE_CORRUPT', 'SLUICE_FORMAT'].includes(error.code)) {
      return undefined
    }
    throw error
  }
}
