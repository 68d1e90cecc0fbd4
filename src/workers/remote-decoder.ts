/** A decoder that works in another thread. */
import { copyBytes } from '../formats/bytes.js'
import type { DecoderStep } from '../native/codec-library.js'
import type { Decoder, DecoderKind } from '../stages/decompress/decoder.js'
import type { PinnedBuffer } from '../native/pinned-buffer.js'
import { SLAB_BYTES, type Slab, type SlabPool } from '../stages/slab/slab-pool.js'
import type { DecodeTask } from './messages.js'

interface Place {
  readonly run: (task: DecodeTask) => Promise<DecoderStep>
  /** Ends the decoder there. */
  readonly close: () => Promise<void>
  readonly slabs: SlabPool
  readonly signal: AbortSignal
}

/** @param decoder its number in the thread. */
export function remoteDecoder(kind: DecoderKind, decoder: number, { run, close, slabs, signal }: Place): Decoder {
  let begin: Uint8Array | undefined
  /** For input that does not lie in a slab. */
  let own: Slab | undefined
  let pending: Promise<unknown> = Promise.resolve()

  const place = async (input: Uint8Array): Promise<DecodeTask['input']> => {
    const slab = slabs.slabOf(input)
    if (slab !== undefined) {
      return { slab: slab.index, start: input.byteOffset - slab.room.bytes.byteOffset, length: input.length }
    }
    own ??= await slabs.take(signal)
    const given = input.subarray(0, SLAB_BYTES)
    copyBytes(own.room.bytes, given, 0)
    return { slab: own.index, start: 0, length: given.length }
  }
  const indexOf = (memory: PinnedBuffer | undefined): number | undefined => memory && slabs.slabOf(memory.bytes)?.index
  return {
    begin: (header = new Uint8Array(0)) => {
      // What is sent is cloned with all memory that it is a view of.
      begin = Uint8Array.from(header)
    },
    step: async (input, output, at, next) => {
      const task: DecodeTask = {
        type: 'decode',
        decoder,
        kind,
        begin,
        input: await place(input),
        output: { slab: slabs.slabOf(output.bytes)!.index, at },
        // What is copied to the decoder's own slab is copied there again for the next step.
        next: slabs.slabOf(input) && indexOf(next?.()),
      }
      begin = undefined
      const step = run(task)
      pending = step.catch(() => undefined)
      return step
    },
    close: async () => {
      await Promise.all([close(), pending])
      if (own !== undefined) slabs.give(own)
      own = undefined
    },
  }
}
