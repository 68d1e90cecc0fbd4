/** libzstd: decodes 440 MB of output per CPU second of a tar that portable code decodes with 39 (zstd -3). */
import { SluiceError } from '../errors.js'
import { damaged } from '../formats/zstd/damaged.js'
import { callCodec, TestedLibrary, type DecoderStep, type NativeDecoder } from './codec-library.js'
import { decodesInPieces } from './known-answer.js'
import { ffi } from './library.js'
import { addressOf, PinnedBuffer } from './pinned-buffer.js'

/** ZSTD_inBuffer and ZSTD_outBuffer, one behind the other: address, size and position in words of eight bytes. */
const STRUCT_BYTES = 24
/** ZSTD_d_windowLogMax: windows of up to 128 MiB, as the portable decoder takes them; also the library's default. */
const WINDOW_LOG_MAX = { parameter: 100, value: 27 } as const
const OUT_OF_MEMORY = -64

/**
 * Decodes one frame after the other; its memory outside the heap, up to the window of the frame, is kept until `close`.
 *
 * The library takes pointers in structs, which are called with integers alone. The flat ZSTD_decompressStream_simpleArgs
 * needs no address, but is called with four Buffers: 45 instead of 12 µs, where 64 KiB of input take 500 µs.
 */
export class ZstdDecoder implements NativeDecoder {
  readonly #structs = PinnedBuffer.allocate(2 * STRUCT_BYTES)
  /** Its address; 0 once it is freed. */
  #context: number

  constructor() {
    this.#context = zstd('ZSTD_createDCtx')
    if (this.#context === 0) throw outOfMemory()
    checked(zstd('ZSTD_DCtx_setParameter', this.#context, WINDOW_LOG_MAX.parameter, WINDOW_LOG_MAX.value))
  }

  /** Begins a frame; `header` has its magic and its whole header, and nothing comes out of it. */
  begin(header: Uint8Array): void {
    this.step(header, this.#structs, this.#structs.bytes.length)
  }

  step(input: Uint8Array, output: PinnedBuffer, outputAt: number): DecoderStep {
    if (this.#context === 0) throw new TypeError('the decoder is closed')
    const { address, bytes } = this.#structs
    writeStruct(bytes, 0, addressOf(input), input.length, 0)
    writeStruct(bytes, STRUCT_BYTES, output.address, output.bytes.length, outputAt)
    const hint = checked(zstd('ZSTD_decompressStream', this.#context, address + STRUCT_BYTES, address))
    return {
      consumed: readPosition(bytes, 0),
      produced: readPosition(bytes, STRUCT_BYTES) - outputAt,
      finished: hint === 0,
    }
  }

  close(): void {
    const context = this.#context
    this.#context = 0
    if (context !== 0) zstd('ZSTD_freeDCtx', context)
  }
}

function zstd(name: string, ...args: readonly number[]): number {
  return callCodec('libzstd', name, 'long', args)
}

function writeStruct(bytes: Buffer, at: number, address: number, size: number, position: number): void {
  bytes.writeBigUInt64LE(BigInt(address), at)
  bytes.writeBigUInt64LE(BigInt(size), at + 8)
  bytes.writeBigUInt64LE(BigInt(position), at + 16)
}

function readPosition(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at + 16))
}

/** A size_t that is an error is a small negative number (ZSTD_isError). */
function checked(result: number): number {
  if (result >= 0) return result
  if (result === OUT_OF_MEMORY) throw outOfMemory()
  throw damaged(errorName(result))
}

function errorName(result: number): string {
  const binding = ffi()!
  const name = binding.load({
    library: 'libzstd',
    funcName: 'ZSTD_getErrorName',
    retType: binding.DataType.String,
    paramsType: [binding.DataType.I64],
    paramsValue: [result],
  })
  return name.toLowerCase()
}

function outOfMemory(): SluiceError {
  return new SluiceError('SLUICE_NATIVE', 'libzstd: there is no memory for the window of a frame')
}

const library = new TestedLibrary('libzstd', knowsItsAnswers)

/** Whether libzstd is installed, native code is on, and the library does what is expected of it. */
export function libzstdUsable(): boolean {
  return library.usable()
}

/** The text of the known answer with Huffman-coded literals, sequences, a window and a checksum, by zstd 1.5.4 -19. */
const frame = `KLUv/QQAlQQAZtIhCbDrFE1LzEoyDx4AHgAeAI8NduWiS7ZOm2Z2o+viZkM8HHptqmfa6rjbJaYMAYtMdznvPHTEQctc90024+PXAXjYFIPce2Lh
U1e/Cd9cfWrhE/cGmeKwAfj144zJvuuWOeiIh+7My+kWCVOWuD1uq+mZ6trQh0NsdvHaaHaaaVsvuejKYI8FAQAmQFKqNQW+Nur/`

/** With junk behind it; cut; with a wrong checksum. */
function knowsItsAnswers(): boolean {
  const packed = Buffer.from(frame, 'base64')
  const withJunk = Buffer.concat([packed, Buffer.from('junk')])
  const decoder = new ZstdDecoder()
  try {
    const right = decodesInPieces(decoder, withJunk, 50) === packed.length
    const refusesCut = decodesInPieces(decoder, packed.subarray(0, -1), 100) === undefined
    return right && refusesCut && refusesChecksum(packed)
  } finally {
    decoder.close()
  }
}

function refusesChecksum(packed: Buffer): boolean {
  const bad = Buffer.from(packed)
  bad[bad.length - 1] ^= 1
  const decoder = new ZstdDecoder()
  try {
    decoder.step(bad, PinnedBuffer.allocate(1024), 0)
    return false
  } catch (error) {
    return error instanceof SluiceError && error.message.includes('checksum')
  } finally {
    decoder.close()
  }
}
