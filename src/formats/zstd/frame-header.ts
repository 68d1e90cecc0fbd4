/** The header of a zstd frame (RFC 8878 §3.1.1.1). */
import { damaged, zstdError } from './damaged.js'

export const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50

/** Whether a frame that begins so is to be passed over: the last four bits are free. */
export function isSkippableMagic(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC
}

/** Larger windows are refused, as by the reference's decoder: the memory would have to be at hand. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024

/** The longest header: descriptor, window, dictionary id, content size. */
export const MAX_HEADER_BYTES = 14

export interface FrameHeader {
  /** Of a single segment, what comes out in all. */
  readonly windowSize: number
  /** What comes out in all, if the frame states it. */
  readonly contentSize: number | undefined
  readonly checksum: boolean
}

/** Bytes of the header, its first one included; told by the first one. */
export function frameHeaderLength(descriptor: number): number {
  const { singleSegment, dictionaryBytes, sizeBytes } = fieldLengths(descriptor)
  return 1 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes
}

/** `bytes` begin after the magic and hold the whole header. */
export function parseFrameHeader(bytes: Buffer): FrameHeader {
  const descriptor = bytes[0]
  if ((descriptor & 0x08) !== 0) throw damaged('a reserved bit is set in a frame header')
  const { singleSegment, dictionaryBytes, sizeBytes } = fieldLengths(descriptor)
  const dictionaryAt = singleSegment ? 1 : 2
  const sizeAt = dictionaryAt + dictionaryBytes
  if (bytes.subarray(dictionaryAt, sizeAt).some((byte) => byte !== 0)) {
    throw zstdError('a frame needs a dictionary')
  }
  const contentSize = readSize(bytes, sizeAt, sizeBytes)
  const windowSize = singleSegment ? contentSize! : windowFromDescriptor(bytes[1])
  if (windowSize > MAX_WINDOW_BYTES) {
    throw zstdError(`a frame wants a window of ${windowSize} bytes; the limit is ${MAX_WINDOW_BYTES}`)
  }
  return { windowSize, contentSize, checksum: (descriptor & 4) !== 0 }
}

function fieldLengths(descriptor: number): { singleSegment: boolean; dictionaryBytes: number; sizeBytes: number } {
  const singleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  return {
    singleSegment,
    dictionaryBytes: [0, 1, 2, 4][descriptor & 3],
    sizeBytes: sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag,
  }
}

function windowFromDescriptor(byte: number): number {
  const base = 2 ** (10 + (byte >> 3))
  return base + (base / 8) * (byte & 7)
}

function readSize(bytes: Buffer, at: number, length: number): number | undefined {
  if (length === 0) return undefined
  if (length === 8) return Number(bytes.readBigUInt64LE(at))
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0)
}
