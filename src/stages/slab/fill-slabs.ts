import { copyBytes } from '../../formats/bytes.js'
import { ahead } from '../../flow/iterate.js'
import { SLAB_BYTES, type Slab, type SlabPool } from './slab-pool.js'

/**
 * The bytes of `chunks` in slabs, which the consumer gives back. Chunks that lie in a slab from its start, as native decoders
 * give them, are passed on as they are; others are copied until a slab is full. The next slab is filled while the consumer
 * works on the last one.
 */
export function fillSlabs(
  chunks: AsyncIterable<Uint8Array>,
  pool: SlabPool,
  signal?: AbortSignal,
): AsyncGenerator<Slab> {
  return ahead(slabsOf(chunks, pool, signal), (slab) => pool.give(slab))
}

async function* slabsOf(chunks: AsyncIterable<Uint8Array>, pool: SlabPool, signal?: AbortSignal): AsyncGenerator<Slab> {
  let open: Slab | undefined
  const full = (): Slab => {
    const slab = open!
    open = undefined
    return slab
  }
  try {
    for await (const chunk of chunks) {
      const slab = pool.slabOf(chunk)
      if (slab !== undefined) {
        if (open !== undefined) yield full()
        slab.length = chunk.length
        pool.hold(slab)
        yield slab
        continue
      }
      for (let at = 0; at < chunk.length;) {
        open ??= await pool.take(signal)
        const end = Math.min(chunk.length, at + SLAB_BYTES - open.length)
        copyBytes(open.room.bytes, chunk.subarray(at, end), open.length)
        open.length += end - at
        at = end
        if (open.length === SLAB_BYTES) yield full()
      }
    }
    if (open !== undefined) yield full()
  } finally {
    if (open !== undefined) pool.give(open)
  }
}
