/** liblzma: decodes xz streams, for which Node has nothing; parts of static deltas are compressed so (ostree.md §1.6). */
import { SluiceError } from '../errors.js'
import { callCodec, TestedLibrary, type DecoderStep, type NativeDecoder } from './codec-library.js'
import { decodesInPieces } from './known-answer.js'
import { addressOf, PinnedBuffer } from './pinned-buffer.js'

/** lzma_stream, in bytes; all zero before the first use. The offsets are those of the public header lzma/base.h. */
const STREAM_BYTES = 136
const field = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32 } as const

/** libostree writes parts with a window of 32 MiB; that of "xz -9" has 64. */
const MAX_WINDOW_MIB = 64
/** Bytes that a decoder may take, which are 1 to 2 MiB more than its window. */
export const XZ_MEMORY_LIMIT = (MAX_WINDOW_MIB + 4) * 1024 * 1024

const LZMA_RUN = 0
const code = {
  ok: 0,
  streamEnd: 1,
  noMemory: 5,
  memoryLimit: 6,
  format: 7,
  options: 8,
  data: 9,
  noProgress: 10,
} as const

const failures: ReadonlyMap<number, string> = new Map([
  [code.memoryLimit, `its window takes more than ${MAX_WINDOW_MIB} MiB`],
  [code.format, 'it is not in the xz format'],
  [code.options, 'it uses a filter or check that liblzma does not know'],
  [code.data, 'the data is corrupt'],
])

/** Decodes one stream; its memory outside the heap, up to `XZ_MEMORY_LIMIT`, is kept until `close`. */
export class XzDecoder implements NativeDecoder {
  readonly #stream: PinnedBuffer
  #isOpen = false

  /** @param stream to work in, cleared here; the test at load looks at what is behind it. */
  constructor(stream = PinnedBuffer.allocate(STREAM_BYTES)) {
    this.#stream = stream
    stream.bytes.fill(0, 0, STREAM_BYTES)
    checked(lzma('lzma_stream_decoder', stream.address, XZ_MEMORY_LIMIT, 0))
    this.#isOpen = true
  }

  step(input: Uint8Array, output: PinnedBuffer, outputAt: number): DecoderStep {
    if (!this.#isOpen) throw new TypeError('the decoder is closed')
    const { address, bytes } = this.#stream
    const room = output.bytes.length - outputAt
    bytes.writeBigUInt64LE(BigInt(addressOf(input)), field.nextIn)
    bytes.writeBigUInt64LE(BigInt(input.length), field.availIn)
    bytes.writeBigUInt64LE(BigInt(output.address + outputAt), field.nextOut)
    bytes.writeBigUInt64LE(BigInt(room), field.availOut)
    const result = checked(lzma('lzma_code', address, LZMA_RUN))
    return {
      consumed: input.length - Number(bytes.readBigUInt64LE(field.availIn)),
      produced: room - Number(bytes.readBigUInt64LE(field.availOut)),
      finished: result === code.streamEnd,
    }
  }

  close(): void {
    if (this.#isOpen) lzma('lzma_end', this.#stream.address)
    this.#isOpen = false
  }
}

function lzma(name: string, ...args: readonly number[]): number {
  return callCodec('liblzma', name, 'int', args)
}

function checked(result: number): number {
  if (result === code.ok || result === code.streamEnd || result === code.noProgress) return result
  if (result === code.noMemory) throw new SluiceError('SLUICE_NATIVE', 'liblzma: there is no memory for the window')
  throw new SluiceError('SLUICE_COMPRESSION', `xz: ${failures.get(result) ?? `error ${result} of liblzma`}`)
}

const library = new TestedLibrary('liblzma', knowsItsAnswers)

/** Whether liblzma is installed, native code is on, and the library does what is expected of it. */
export function lzmaUsable(): boolean {
  return library.usable()
}

/** The text of the known answer with a CRC-32, by xz 5.4.1 -6. */
const stream = `/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4ANoAMRdABgLAsugZIVz81wt1G4sodlnwRpOB22zrC10jPf47NXtBj7Z2Ul1ugAuvX2XAgnTIy7JY4/3AiJ0PNZ
ciX0zpTio8l2jjr7dqPAGNHIAHHeDALebIIWCBh5rr8YdTCOuMBfh1sIUSKjJdOCXGalROj5YzBWnjSq/numDfqde+PiinnnbVZFkEwYJnYs0ce5i3hw+b3
HjrJBx6JeEgFF8WBkIWzMcWgYrNZRZ3W2Vgt+Luk2ndzFXKM//Qyfc4PkPXkvawAAAF3LNgAAB3AHpBgAAOVMzND4wDYsCAAAAAAFZWg==`
/** Where the CRC-32 of what comes out is: before the index, of 8 bytes and its CRC-32, and the footer, of 12. */
const CHECK_FROM_END = 12 + 4 + 8 + 4

/** With junk behind it; cut; with a wrong checksum; nothing written beyond the struct. */
function knowsItsAnswers(): boolean {
  const packed = Buffer.from(stream, 'base64')
  const withJunk = Buffer.concat([packed, Buffer.from('junk')])
  const damaged = Buffer.from(packed)
  damaged[packed.length - CHECK_FROM_END] ^= 1
  const guard = Buffer.alloc(1024, 0xa5)
  const state = PinnedBuffer.allocate(STREAM_BYTES + guard.length)
  guard.copy(state.bytes, STREAM_BYTES)
  return (
    consumedOf(new XzDecoder(state), withJunk, 50) === packed.length &&
    guard.equals(state.bytes.subarray(STREAM_BYTES)) &&
    consumedOf(new XzDecoder(), packed.subarray(0, -1), 100) === undefined &&
    refuses(damaged)
  )
}

function consumedOf(decoder: XzDecoder, packed: Buffer, piece: number): number | undefined {
  try {
    return decodesInPieces(decoder, packed, piece)
  } finally {
    decoder.close()
  }
}

function refuses(packed: Buffer): boolean {
  try {
    consumedOf(new XzDecoder(), packed, 100)
    return false
  } catch (error) {
    return error instanceof SluiceError && error.message.includes('corrupt')
  }
}
