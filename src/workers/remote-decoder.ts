/** A decoder that works in another thread. */
import type { DecoderStep } from '../native/codec-library.js'
import type { Decoder, DecoderKind } from '../stages/decompress/decoder.js'
import { SLAB_BYTES, type Slab, type SlabPool } from '../stages/slab/slab-pool.js'
import type { DecodeTask } from './messages.js'

interface Place {
  readonly run: (task: DecodeTask) => Promise<DecoderStep>
  /** Ends the decoder there. */
  readonly close: () => void
  readonly slabs: SlabPool
  readonly signal: AbortSignal
}

/** @param decoder its number in the thread. */
export function remoteDecoder(kind: DecoderKind, decoder: number, { run, close, slabs, signal }: Place): Decoder {
  let begin: Uint8Array | undefined
  /** What the thread reads from. */
  let slab: Slab | undefined
  /** The stretch of memory that was copied to it last. */
  let copied: Uint8Array = new Uint8Array(0)
  let pending: Promise<unknown> = Promise.resolve()

  /** Where in the slab `input` is; a step takes less than it is given, and is given the rest the next time. */
  const place = (input: Uint8Array): number => {
    const start = input.byteOffset - copied.byteOffset
    const isThere = input.buffer === copied.buffer && start >= 0 && start + input.length <= copied.length
    if (isThere) return start
    slab!.room.bytes.set(input)
    copied = input
    return 0
  }
  return {
    begin: (header = new Uint8Array(0)) => {
      // What is sent is cloned with all memory that it is a view of.
      begin = Uint8Array.from(header)
    },
    step: async (input, output, at) => {
      slab ??= await slabs.take(signal)
      const given = input.subarray(0, SLAB_BYTES)
      const start = place(given)
      const task: DecodeTask = {
        type: 'decode',
        decoder,
        kind,
        begin,
        input: { slab: slab.index, start, length: given.length },
        output: { slab: slabs.slabOf(output.bytes)!.index, at },
      }
      begin = undefined
      const step = run(task)
      pending = step.catch(() => undefined)
      return step
    },
    close: () => {
      close()
      void pending.then(() => slab !== undefined && slabs.give(slab))
    },
  }
}
