/**
 * libisal: decodes deflate streams, 380 MB of output per CPU second of a tar that Node's zlib decodes with 297 (gzip -6);
 * 465 to memory that is written again and again, and on the calling thread, without zlib's way to another one and back.
 *
 * Its state is a struct that the caller fills in. The offsets are those of the public header igzip_lib.h of 2.30; a library
 * in which they differ fails the test at load.
 */
import { crc32 } from 'node:zlib'
import { SluiceError } from '../errors.js'
import { callCodec, TestedLibrary, type DecoderStep, type NativeDecoder } from './codec-library.js'
import { decodesInPieces, knownDeflate, knownText } from './known-answer.js'
import { addressOf, PinnedBuffer } from './pinned-buffer.js'

/** struct inflate_state, in bytes. */
const STATE_BYTES = 87_368
const field = {
  nextOut: 0,
  availOut: 8,
  totalOut: 12,
  nextIn: 16,
  readIn: 24,
  availIn: 32,
  readInLength: 36,
  blockState: 21_160,
  crcFlag: 21_172,
  crc: 21_176,
} as const
/** The block state when all is decoded and put out. */
const BLOCK_FINISH = 5
/** The CRC flag for a stream without header and trailer, whose CRC-32 is computed but not compared. */
const CRC_WITHOUT_WRAPPER = 2

const failures = new Map([
  [-1, 'an invalid block'],
  [-2, 'an invalid symbol'],
  [-3, 'a match that reaches too far back'],
])

/** Decodes one deflate stream after the other. */
export class Inflater implements NativeDecoder {
  readonly #format: 'gzip' | 'deflate'
  readonly #state: PinnedBuffer

  /**
   * @param format what the streams are a part of, for errors.
   * @param state to work in; the test at load looks at it.
   */
  constructor(format: 'gzip' | 'deflate', state = PinnedBuffer.allocate(STATE_BYTES)) {
    this.#format = format
    this.#state = state
    this.begin()
  }

  /** Begins a new deflate stream. */
  begin(): void {
    const { address, bytes } = this.#state
    callCodec('libisal', 'isal_inflate_init', 'int', [address])
    bytes.writeUInt32LE(CRC_WITHOUT_WRAPPER, field.crcFlag)
  }

  step(input: Uint8Array, output: PinnedBuffer, outputAt: number): DecoderStep {
    const { address, bytes } = this.#state
    const room = output.bytes.length - outputAt
    bytes.writeBigUInt64LE(BigInt(addressOf(input)), field.nextIn)
    bytes.writeUInt32LE(input.length, field.availIn)
    bytes.writeBigUInt64LE(BigInt(output.address + outputAt), field.nextOut)
    bytes.writeUInt32LE(room, field.availOut)
    const result = callCodec('libisal', 'isal_inflate', 'int', [address])
    if (result < 0) {
      const what = failures.get(result) ?? `error ${result}`
      throw new SluiceError('SLUICE_COMPRESSION', `${this.#format}: the data is corrupt (${what})`)
    }
    const finished = bytes.readUInt32LE(field.blockState) === BLOCK_FINISH
    return {
      consumed: input.length - bytes.readUInt32LE(field.availIn),
      produced: room - bytes.readUInt32LE(field.availOut),
      finished,
      end: finished ? { crc: this.crc, size: this.size, surplus: this.surplus() } : undefined,
    }
  }

  /** Its memory is Node's. */
  close(): void {}

  /** CRC-32 of what came out of the stream. */
  get crc(): number {
    return this.#state.bytes.readUInt32LE(field.crc)
  }

  /** Bytes that came out of the stream, modulo 2^32. */
  get size(): number {
    return this.#state.bytes.readUInt32LE(field.totalOut)
  }

  /** After the end of the stream: what was consumed but comes after it, up to eight bytes. */
  surplus(): Buffer {
    const { bytes } = this.#state
    const bits = bytes.readInt32LE(field.readInLength)
    const surplus = Buffer.alloc(8)
    surplus.writeBigUInt64LE(bytes.readBigUInt64LE(field.readIn) >> BigInt(bits & 7))
    return surplus.subarray(0, bits >> 3)
  }
}

const library = new TestedLibrary('libisal', knowsItsAnswers)

/** Whether libisal is installed, native code is on, and the library does what is expected of it. */
export function isalUsable(): boolean {
  return library.usable()
}

/** With junk behind it; cut; a match that reaches too far back; nothing written beyond the state. */
function knowsItsAnswers(): boolean {
  const packed = Buffer.from(knownDeflate, 'base64')
  const junk = Buffer.from('junk that is not of the stream')
  const withJunk = Buffer.concat([packed, junk])
  const guard = Buffer.alloc(1024, 0xa5)
  const state = PinnedBuffer.allocate(STATE_BYTES + guard.length)
  guard.copy(state.bytes, STATE_BYTES)
  const inflater = new Inflater('deflate', state)

  const consumed = decodesInPieces(inflater, withJunk, 100)
  const rest = Buffer.concat([inflater.surplus(), withJunk.subarray(consumed)])
  const right = rest.equals(junk) && inflater.crc === crc32(knownText) && inflater.size === knownText.length
  inflater.begin()
  const refusesCut = decodesInPieces(inflater, packed.subarray(0, -1), 400) === undefined
  return (
    consumed !== undefined &&
    right &&
    refusesCut &&
    refusesFarMatch(inflater) &&
    guard.equals(state.bytes.subarray(STATE_BYTES))
  )
}

/** A fixed block that begins with a match. */
function refusesFarMatch(inflater: Inflater): boolean {
  inflater.begin()
  try {
    inflater.step(Buffer.from([0x03, 0x02, 0x00, 0x00]), PinnedBuffer.allocate(64), 0)
    return false
  } catch {
    return true
  }
}
