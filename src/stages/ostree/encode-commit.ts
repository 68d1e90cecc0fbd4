/** The splitstream of a commit, in its two forms: without an image, and with one (ostree.md §4.3). */
import type { ObjectId } from '../../formats/digest.js'
import { ostreeContentType, IMAGE_REF } from '../../formats/ostree/commit-stream-format.js'
import type { CommitPayload } from '../../formats/ostree/object-collection.js'
import { VerityHasher } from '../../formats/verity/digest.js'
import type { ObjectStore } from '../../repository/objects.js'
import { inlineStream } from './inline-stream.js'

export interface EncodedCommit {
  /** The id of form A, which is not stored. */
  readonly withoutImage: ObjectId
  /** Stores form B; gives its id. */
  storeWith(image: ObjectId): Promise<ObjectId>
}

/** Compresses the payload, once for both forms. */
export async function encodeCommit(store: ObjectStore, payload: CommitPayload): Promise<EncodedCommit> {
  const encode = await inlineStream(store.algorithm, ostreeContentType.commit, payload)
  const hasher = new VerityHasher(store.algorithm)
  for (const piece of await encode([])) hasher.update(piece)
  return {
    withoutImage: hasher.digest(),
    storeWith: async (image) => {
      const pieces = await encode([[IMAGE_REF, image]])
      return store.replace(Buffer.concat(pieces))
    },
  }
}
