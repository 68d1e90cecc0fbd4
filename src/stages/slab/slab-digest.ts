/** A digest of a blob that the workers compute, from the slabs that the blob goes on in. */
import type { BlobDigest } from '../fetch/verify-blob.js'
import { fillSlabs } from './fill-slabs.js'
import type { Engine } from './slab-workers.js'

/**
 * The blob is copied once, to where both the digest and the decoder read it.
 *
 * @param algorithm name of a hash that Node knows.
 */
export function blobSlabDigest({ slabs, workers }: Engine, algorithm: string, signal: AbortSignal): BlobDigest {
  const lane = workers.digest(algorithm)
  /** Ends when the workers have taken everything so far; its failure is told by `end`. */
  let taken: Promise<unknown> = Promise.resolve()
  return {
    async *through(chunks) {
      for await (const slab of fillSlabs(chunks, slabs, signal)) {
        slabs.hold(slab)
        const update = lane.update(slab).finally(() => slabs.give(slab))
        taken = Promise.all([taken, update])
        taken.catch(() => undefined)
        try {
          yield slab.filled
        } finally {
          slabs.give(slab)
        }
      }
    },
    end: async () => {
      await taken
      return lane.digest()
    },
    abort: () => lane.abort(),
  }
}
