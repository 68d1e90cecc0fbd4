/** What decoders in C put out, in chunks that are good until the next one is asked for, unless their memory is held. */
import { SluiceError } from '../../errors.js'
import type { DeflateEnd } from '../../native/codec-library.js'
import type { PinnedBuffer } from '../../native/pinned-buffer.js'
import { CompressedReader } from './compressed-reader.js'
import { DECODER_INPUT, localDecoder, type Decoder, type DecoderKind } from './decoder.js'
import { gather } from './gather.js'
import { freshMemory, type OutputMemory } from './output-memory.js'

export interface NativeOptions {
  readonly memory?: OutputMemory
  /** Where the decoder runs; by default here. */
  readonly open?: (kind: DecoderKind) => Decoder
}

/** What is known of a stream or frame at its end. */
export interface DecodedStream {
  /** Bytes that came out. */
  readonly size: number
  readonly end: DeflateEnd | undefined
}

const nothing = new Uint8Array(0)

export class NativeOutput {
  readonly #memory: OutputMemory
  #chunk: PinnedBuffer | undefined
  /** What is filled after it. */
  #next: PinnedBuffer | undefined
  #filled = 0

  constructor(memory: OutputMemory) {
    this.#memory = memory
  }

  /**
   * Decodes the stream or frame that begins where `reader` is. Yields chunks as they become full, across streams, and one
   * without bytes at the end: there may be thousands of streams with nothing in them, and the consumer has to breathe.
   */
  async *decode(decoder: Decoder, reader: CompressedReader): AsyncGenerator<Uint8Array, DecodedStream> {
    const next = () => (this.#next ??= this.#memory.tryTake?.())
    let size = 0
    let end: DeflateEnd | undefined
    for (let full = false; ;) {
      // With its output full, a decoder may hold back more even if it has no input left.
      if (!full) await reader.needSome()
      this.#chunk ??= this.#takeNext() ?? (await this.#memory.take())
      const input = reader.available()
      const step = await decoder.step(input, this.#chunk, this.#filled, next)
      const { consumed, produced } = step
      reader.advance(consumed)
      this.#filled += produced
      size += produced
      full = this.#filled === this.#chunk.bytes.length
      if (full) yield* this.rest()
      if (step.finished) {
        end = step.end
        break
      }
      if (!full && input.length > 0 && consumed + produced === 0) {
        throw new SluiceError('SLUICE_NATIVE', `the native decoder stands still after ${reader.position} bytes`)
      }
    }
    yield nothing
    return { size, end }
  }

  /** What is in the last chunk. */
  *rest(): Generator<Uint8Array> {
    const filled = this.#filled
    if (this.#chunk === undefined || filled === 0) return
    const chunk = this.#chunk
    this.#chunk = undefined
    this.#filled = 0
    try {
      yield chunk.bytes.subarray(0, filled)
    } finally {
      this.#memory.give(chunk)
    }
  }

  /** Gives back what was taken and not yielded; no decoder may write to it any more. */
  dispose(): void {
    for (const memory of [this.#chunk, this.#takeNext()]) if (memory !== undefined) this.#memory.give(memory)
    this.#chunk = undefined
  }

  #takeNext(): PinnedBuffer | undefined {
    const next = this.#next
    this.#next = undefined
    return next
  }
}

/** The streams of an input, one after the other: what a decoder gives for each, with what lies around it checked. */
export type DecodeStreams = (
  reader: CompressedReader,
  decoder: Decoder,
  output: NativeOutput,
) => AsyncGenerator<Uint8Array>

/** Decodes `source` by `streams`, and frees what that takes whatever happens. */
export async function* decodeNatively(
  kind: DecoderKind,
  source: AsyncIterable<Uint8Array>,
  { memory = freshMemory, open = localDecoder }: NativeOptions,
  streams: DecodeStreams,
): AsyncGenerator<Uint8Array> {
  const reader = new CompressedReader(gather(source, DECODER_INPUT), kind)
  const output = new NativeOutput(memory)
  const decoder = open(kind)
  try {
    yield* streams(reader, decoder, output)
    yield* output.rest()
  } finally {
    await decoder.close()
    output.dispose()
    await reader.close()
  }
}
