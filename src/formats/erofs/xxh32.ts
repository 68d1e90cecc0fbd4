/** The 32-bit xxHash, which picks the bits of the xattr name filter (erofs.md §5.4). */
import type { ByteString } from '../bytes.js'

const PRIME1 = 0x9e3779b1
const PRIME2 = 0x85ebca77
const PRIME3 = 0xc2b2ae3d
const PRIME4 = 0x27d4eb2f
const PRIME5 = 0x165667b1

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function lane(text: ByteString, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  )
}

function round(accumulator: number, input: number): number {
  return Math.imul(rotateLeft((accumulator + Math.imul(input, PRIME2)) | 0, 13), PRIME1)
}

/** The hash of `text` as an unsigned number. Products are taken with `Math.imul`: doubles would lose their low bits. */
export function xxh32(text: ByteString, seed: number): number {
  const length = text.length
  let at = 0
  let hash: number
  if (length >= 16) {
    let a = (seed + PRIME1 + PRIME2) | 0
    let b = (seed + PRIME2) | 0
    let c = seed | 0
    let d = (seed - PRIME1) | 0
    for (; at + 16 <= length; at += 16) {
      a = round(a, lane(text, at))
      b = round(b, lane(text, at + 4))
      c = round(c, lane(text, at + 8))
      d = round(d, lane(text, at + 12))
    }
    hash = (rotateLeft(a, 1) + rotateLeft(b, 7) + rotateLeft(c, 12) + rotateLeft(d, 18)) | 0
  } else {
    hash = (seed + PRIME5) | 0
  }
  hash = (hash + length) | 0
  for (; at + 4 <= length; at += 4) {
    hash = Math.imul(rotateLeft((hash + Math.imul(lane(text, at), PRIME3)) | 0, 17), PRIME4)
  }
  for (; at < length; at++) {
    hash = Math.imul(rotateLeft((hash + Math.imul(text.charCodeAt(at), PRIME5)) | 0, 11), PRIME1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME3)
  return (hash ^ (hash >>> 16)) >>> 0
}
