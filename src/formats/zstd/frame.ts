/**
 * The outer structure of zstd data: frames, skippable frames, blocks (RFC 8878 §3.1).
 *
 * Walking it ourselves tells a clean end from a truncated one and from trailing junk, which decoders do not agree on.
 */
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK_SIZE = 128 * 1024

export interface ZstdFrame {
  /** Half-open byte range of the frame. */
  readonly start: number
  readonly end: number
  readonly skippable: boolean
  /** Decompressed size if the frame states it. */
  readonly contentSize: number | undefined
  /** Memory the decoder must keep, in bytes. */
  readonly windowSize: number
}

interface FrameHeader {
  readonly length: number
  readonly contentSize: number | undefined
  readonly windowSize: number
  readonly checksum: boolean
}

/** Parses the header of a frame whose magic is at `offset`; undefined if the bytes end before it does. */
function parseFrameHeader(bytes: Buffer, offset: number): FrameHeader | undefined {
  if (offset + 5 > bytes.length) return undefined
  const descriptor = bytes[offset + 4]
  if ((descriptor & 0x08) !== 0) throw formatError('zstd', `reserved bit set in the frame header at ${offset}`)
  const singleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  let at = offset + 5
  const length = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes
  if (offset + length > bytes.length) return undefined
  let windowSize = 0
  if (!singleSegment) {
    const window = bytes[at++]
    const base = 2 ** (10 + (window >> 3))
    windowSize = base + (base / 8) * (window & 7)
  }
  if (dictionaryBytes > 0 && bytes.subarray(at, at + dictionaryBytes).some((byte) => byte !== 0)) {
    throw formatError('zstd', 'the frame needs a dictionary')
  }
  at += dictionaryBytes
  let contentSize: number | undefined
  if (sizeBytes === 1) contentSize = bytes[at]!
  else if (sizeBytes === 2) contentSize = bytes.readUInt16LE(at) + 256
  else if (sizeBytes === 4) contentSize = bytes.readUInt32LE(at)
  else if (sizeBytes === 8) contentSize = Number(bytes.readBigUInt64LE(at))
  if (singleSegment) windowSize = contentSize!
  return { length, contentSize, windowSize, checksum: (descriptor & 4) !== 0 }
}

/** The frame at `offset`; throws when it is cut short or not a frame. */
function frameAt(bytes: Buffer, offset: number): ZstdFrame {
  const cut = (): never => {
    throw formatError('zstd', `the frame at ${offset} is cut short`)
  }
  if (offset + 8 > bytes.length) cut()
  const magic = bytes.readUInt32LE(offset)
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
    const end = offset + 8 + bytes.readUInt32LE(offset + 4)
    if (end > bytes.length) cut()
    return { start: offset, end, skippable: true, contentSize: 0, windowSize: 0 }
  }
  if (magic !== FRAME_MAGIC) throw formatError('zstd', `no frame at ${offset}: junk after the compressed data?`)
  const header = parseFrameHeader(bytes, offset) ?? cut()
  let at = offset + header.length
  for (let last = false; !last;) {
    if (at + 3 > bytes.length) cut()
    const block = bytes.readUIntLE(at, 3)
    last = (block & 1) === 1
    const type = (block >> 1) & 3
    const size = block >> 3
    if (type === 3 || size > MAX_BLOCK_SIZE) throw formatError('zstd', `malformed block at ${at}`)
    at += 3 + (type === 1 ? 1 : size)
    if (at > bytes.length) cut()
  }
  if (header.checksum) at += 4
  if (at > bytes.length) cut()
  return { start: offset, end: at, skippable: false, contentSize: header.contentSize, windowSize: header.windowSize }
}

/** All frames of `data` in order; throws unless they fill it exactly. */
export function listFrames(data: Uint8Array): ZstdFrame[] {
  const bytes = asBuffer(data)
  const frames: ZstdFrame[] = []
  for (let at = 0; at < bytes.length;) {
    const frame = frameAt(bytes, at)
    frames.push(frame)
    at = frame.end
  }
  return frames
}
