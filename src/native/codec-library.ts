/** What the decoders in C libraries have in common. */
import { ffi, openLibrary, type CodecLibrary } from './library.js'
import { nativeMissing } from './libc.js'
import type { PinnedBuffer } from './pinned-buffer.js'

/** What one call of a decoder did. */
export interface DecoderStep {
  readonly consumed: number
  readonly produced: number
  /** Whether the deflate stream or frame is complete, and all of it put out. */
  readonly finished: boolean
  /** Of a deflate stream that is complete. */
  readonly end?: DeflateEnd | undefined
}

/** What the trailer of a gzip member is compared with. */
export interface DeflateEnd {
  /** CRC-32 of what came out. */
  readonly crc: number
  /** Bytes that came out, modulo 2^32. */
  readonly size: number
  /** What was consumed but comes after the stream: up to eight bytes. */
  readonly surplus: Uint8Array
}

/** A decoder in C with the state of one input. */
export interface NativeDecoder {
  /**
   * Decodes from the start of `input` to `output` from `at` on, until the one is consumed, the other full, or the stream or
   * frame at its end. Memory that it has not seen before costs 20 µs.
   *
   * @throws SluiceError `SLUICE_COMPRESSION` for corrupt input.
   */
  step(input: Uint8Array, output: PinnedBuffer, at: number): DecoderStep
}

/**
 * A library whose structs hold 64-bit little-endian words, passing a test with known answers; the test runs once in each
 * thread. False as well if native code is off.
 */
export class TestedLibrary {
  readonly #name: CodecLibrary
  readonly #test: () => boolean
  #passed: boolean | undefined

  constructor(name: CodecLibrary, test: () => boolean) {
    this.#name = name
    this.#test = test
  }

  usable(): boolean {
    if (openLibrary(this.#name) === undefined) return false
    this.#passed ??= this.#passes()
    return this.#passed
  }

  #passes(): boolean {
    if (process.arch !== 'x64' && process.arch !== 'arm64') return false
    try {
      return this.#test()
    } catch {
      // A function is not exported, or good input was refused.
      return false
    }
  }
}

/** Calls a function whose parameters are all integers or addresses, each in a register of its own: 12 µs. */
export function callCodec(
  library: CodecLibrary,
  name: string,
  returns: 'int' | 'long',
  args: readonly number[],
): number {
  const binding = ffi()
  if (binding === undefined || openLibrary(library) === undefined) throw nativeMissing(library)
  const { I32, I64 } = binding.DataType
  return binding.load({
    library,
    funcName: name,
    retType: returns === 'int' ? I32 : I64,
    paramsType: args.map(() => I64),
    paramsValue: [...args],
  })
}
