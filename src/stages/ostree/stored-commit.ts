/** Commits that a composefs repository holds (ostree.md §4). */
import { formatError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import { CommitStream } from '../../formats/ostree/commit-stream.js'
import { ostreeContentType, IMAGE_REF } from '../../formats/ostree/commit-stream-format.js'
import type { CollectedObject } from '../../formats/ostree/object-collection.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { ObjectTable } from '../../formats/splitstream/read.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import { streamParts } from '../splitstream/read.js'

/** Largest payload that is read: that of a commit with 10 million files (§4.2). */
const MAX_PAYLOAD = 2 * 1024 * 1024 * 1024

/** The objects of a commit, by id; those of a stored one, or of one that is pulled. */
export interface CommitObjects {
  get(id: OstreeId): CollectedObject | undefined
}

export interface StoredCommit extends CommitObjects {
  readonly commit: OstreeId
  /** Its splitstream. */
  readonly stream: ObjectId
  /** The image, if the stream names one. */
  readonly image: ObjectId | undefined
  readonly payload: CommitStream
  /** The objects that hold contents of files. */
  readonly externals: ObjectTable
}

/**
 * Reads the stream `name`: `ostree-commit-…` or `refs/ostree/…`.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none; `SLUICE_FORMAT`, `SLUICE_CORRUPT` or `SLUICE_COMPRESSION` if it is
 * damaged.
 */
export async function readStoredCommit(
  repository: Repository,
  name: string,
  signal?: AbortSignal,
): Promise<StoredCommit> {
  const open = repository.openStream(name, ostreeContentType.commit)
  try {
    const { id, objectRefs, namedRefs } = open
    const payload = new CommitStream(await readInline(open, name, signal), objectRefs.length)
    return {
      commit: payload.commit,
      stream: id,
      image: namedRefs.get(IMAGE_REF),
      payload,
      externals: objectRefs,
      get: (id) => {
        const found = payload.get(id)
        if (found?.external === undefined) return found && { data: found.data }
        return { data: found.data, external: objectRefs.at(found.external) }
      },
    }
  } finally {
    open.close()
  }
}

/** The one inline chunk that `stream` consists of. */
export async function readInline(stream: OpenStream, name: string, signal?: AbortSignal): Promise<Buffer> {
  if (stream.size > MAX_PAYLOAD) throw formatError(`stream ${name}`, `it states ${stream.size} bytes`)
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const parts of streamParts(stream, signal)) {
    for (const part of parts) {
      if (typeof part === 'number') throw formatError(`stream ${name}`, 'it holds an object where bytes should be')
      length += part.length
      if (length > Number(stream.size)) throw formatError(`stream ${name}`, 'it is longer than it states')
      pieces.push(part)
    }
  }
  return Buffer.concat(pieces, length)
}
