/** Decoders in C: in this thread, or in another one. */
import type { DecoderStep } from '../../native/codec-library.js'
import { Inflater } from '../../native/isal.js'
import type { PinnedBuffer } from '../../native/pinned-buffer.js'
import { ZstdDecoder } from '../../native/zstd.js'

export interface Decoder {
  /** Begins a deflate stream, or a zstd frame, of which `header` is the magic and the whole header. */
  begin(header?: Uint8Array): void
  /**
   * As `NativeDecoder.step`; nothing else may be asked of the decoder before it is done.
   *
   * @param next memory that the next step is asked to fill, from its start, should this one fill its output with input left;
   *   a decoder in another thread begins with that before it is asked. None is taken for one that does not ask for it.
   */
  step(
    input: Uint8Array,
    output: PinnedBuffer,
    at: number,
    next?: () => PinnedBuffer | undefined,
  ): DecoderStep | Promise<DecoderStep>
  /** Frees what it holds. When it is done, nothing is written any more. */
  close(): void | Promise<void>
}

export interface LocalDecoder extends Decoder {
  close(): void
  step(input: Uint8Array, output: PinnedBuffer, at: number): DecoderStep
}

/** Input is gathered to so much before a decoder is asked: each question to another thread takes 100 µs of CPU. */
export const DECODER_INPUT = 256 * 1024

export type DecoderKind = 'gzip' | 'zstd'

/** A decoder that works where it is called. */
export function localDecoder(kind: DecoderKind): LocalDecoder {
  if (kind === 'gzip') return new Inflater('gzip')
  const decoder = new ZstdDecoder()
  return {
    begin: (header) => decoder.begin(header!),
    step: (input, output, at) => decoder.step(input, output, at),
    close: () => decoder.close(),
  }
}
