/** A digest of bytes that lie anywhere, computed by the workers: they are copied into slabs of their own. */
import type { BlobHash } from '../fetch/verify-blob.js'
import { SLAB_BYTES, type Slab } from './slab-pool.js'
import type { Engine, SlabDigest } from './slab-workers.js'

/**
 * Copying takes a tenth of the time that hashing would take here, in the thread that all layers share.
 *
 * @param algorithm name of a hash that Node knows.
 */
export function slabHash({ slabs, workers }: Engine, algorithm: string, signal: AbortSignal): BlobHash {
  const lane: SlabDigest = workers.digest(algorithm)
  let open: Slab | undefined
  /** Ends when the workers have taken everything so far; its failure is told by `digest`. */
  let taken: Promise<unknown> = Promise.resolve()
  const send = (): void => {
    const slab = open!
    open = undefined
    const update = lane.update(slab).finally(() => slabs.give(slab))
    taken = Promise.all([taken, update])
    taken.catch(() => undefined)
  }
  return {
    update: async (bytes) => {
      for (let at = 0; at < bytes.length;) {
        open ??= slabs.tryTake() ?? (await slabs.take(signal))
        const end = Math.min(bytes.length, at + SLAB_BYTES - open.length)
        open.room.bytes.set(bytes.subarray(at, end), open.length)
        open.length += end - at
        at = end
        if (open.length === SLAB_BYTES) send()
      }
    },
    digest: async () => {
      if (open !== undefined) send()
      await taken
      return lane.digest()
    },
    abort: () => {
      if (open !== undefined) slabs.give(open)
      open = undefined
      lane.abort()
    },
  }
}
