/**
 * xxHash64 with seed 0, streaming: the content checksum of zstd frames (RFC 8878 §3.1.1).
 *
 * The loop over the input works on 32-bit halves, as BigInt would cost more there than the decompression; the short end
 * works on BigInt.
 */

const STRIPE = 32
const P1 = 0x9e3779b185ebca87n
const P2 = 0xc2b2ae3d27d4eb4fn
const P3 = 0x165667b19e3779f9n
const P4 = 0x85ebca77c2b2ae63n
const P5 = 0x27d4eb2f165667c5n
const P1_HIGH = 0x9e3779b1
const P1_LOW = 0x85ebca87
const P2_HIGH = 0xc2b2ae3d
const P2_LOW = 0x27d4eb4f

export class Xxh64 {
  /** Four lanes, each low and high half. */
  readonly #lanes = new Int32Array(8)
  readonly #tail = new Uint8Array(STRIPE)
  #tailLength = 0
  #length = 0n

  constructor() {
    const start = [P1 + P2, P2, 0n, -P1]
    start.forEach((value, i) => {
      this.#lanes[2 * i] = Number(BigInt.asIntN(32, value))
      this.#lanes[2 * i + 1] = Number(BigInt.asIntN(32, value >> 32n))
    })
  }

  update(bytes: Uint8Array): void {
    this.#length += BigInt(bytes.length)
    let at = 0
    if (this.#tailLength > 0) {
      at = Math.min(STRIPE - this.#tailLength, bytes.length)
      this.#tail.set(bytes.subarray(0, at), this.#tailLength)
      this.#tailLength += at
      if (this.#tailLength < STRIPE) return
      this.#mixStripes(this.#tail, 0, STRIPE)
    }
    const end = at + Math.floor((bytes.length - at) / STRIPE) * STRIPE
    this.#mixStripes(bytes, at, end)
    this.#tail.set(bytes.subarray(end))
    this.#tailLength = bytes.length - end
  }

  /** The low 32 bits, which is what a frame stores. */
  digest32(): number {
    const lanes = [0, 1, 2, 3].map((i) => (unsigned(this.#lanes[2 * i + 1]) << 32n) | unsigned(this.#lanes[2 * i]))
    let hash = P5
    if (this.#length >= BigInt(STRIPE)) {
      hash = [1n, 7n, 12n, 18n].reduce((sum, bits, i) => sum + rotate(lanes[i], bits), 0n)
      for (const lane of lanes) hash = (hash ^ round(0n, lane)) * P1 + P4
    }
    hash = u64(hash + this.#length)
    const tail = Buffer.from(this.#tail.buffer, 0, this.#tailLength)
    let at = 0
    for (; at + 8 <= tail.length; at += 8) hash = rotate(hash ^ round(0n, tail.readBigUInt64LE(at)), 27n) * P1 + P4
    if (at + 4 <= tail.length) {
      hash = rotate(u64(hash) ^ u64(BigInt(tail.readUInt32LE(at)) * P1), 23n) * P2 + P3
      at += 4
    }
    for (; at < tail.length; at++) hash = rotate(u64(hash) ^ u64(BigInt(tail[at]) * P5), 11n) * P1
    hash = u64(hash)
    hash = u64((hash ^ (hash >> 33n)) * P2)
    hash = u64((hash ^ (hash >> 29n)) * P3)
    hash ^= hash >> 32n
    return Number(hash & 0xffffffffn)
  }

  #mixStripes(bytes: Uint8Array, start: number, end: number): void {
    const lanes = this.#lanes
    for (let at = start; at < end; at += 8) {
      const lane = ((at - start) >> 2) & 6
      const inLow = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
      const inHigh = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)
      // lane = rotate(lane + input * P2, 31) * P1, modulo 2^64.
      const productLow = Math.imul(inLow, P2_LOW)
      const productHigh = highHalf(inLow, P2_LOW) + Math.imul(inLow, P2_HIGH) + Math.imul(inHigh, P2_LOW)
      const low = (lanes[lane] + productLow) | 0
      const carry = low >>> 0 < productLow >>> 0 ? 1 : 0
      const high = (lanes[lane + 1] + productHigh + carry) | 0
      const rotatedLow = (low << 31) | (high >>> 1)
      const rotatedHigh = (high << 31) | (low >>> 1)
      lanes[lane] = Math.imul(rotatedLow, P1_LOW)
      lanes[lane + 1] = highHalf(rotatedLow, P1_LOW) + Math.imul(rotatedLow, P1_HIGH) + Math.imul(rotatedHigh, P1_LOW)
    }
  }
}

/** The high 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function highHalf(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) >>> 0
  const carry = (Math.imul(a0, b1) + (middle & 0xffff)) >>> 0
  return (Math.imul(a1, b1) + (middle >>> 16) + (carry >>> 16)) | 0
}

function round(lane: bigint, input: bigint): bigint {
  return u64(rotate(u64(lane + input * P2), 31n) * P1)
}

function rotate(value: bigint, bits: bigint): bigint {
  const bounded = u64(value)
  return u64((bounded << bits) | (bounded >> (64n - bits)))
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}

function unsigned(half: number): bigint {
  return BigInt(half >>> 0)
}
