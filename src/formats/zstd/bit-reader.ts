/**
 * The bitstreams of zstd (RFC 8878 §4.1): written forwards, read backwards from a final 1 bit.
 *
 * Reading past the beginning gives zeros and makes `left` negative; who reads decides whether that is an error.
 */
import { damaged } from './damaged.js'

export class BackwardBits {
  /** Bits not yet read. */
  left: number
  readonly #data: Uint8Array
  readonly #start: number

  /** Reads `data[start, end)`; four bytes beyond `end` must exist. */
  constructor(data: Uint8Array, start: number, end: number) {
    if (start >= end || data[end - 1] === 0) throw damaged('a bitstream has no end mark')
    this.#data = data
    this.#start = start
    this.left = (end - start - 1) * 8 + 31 - Math.clz32(data[end - 1])
  }

  /** The next `count` bits, 0 to 31. */
  read(count: number): number {
    if (count > 24) return (this.read(count - 16) << 16) | this.read(16)
    this.left -= count
    return this.#bitsAt(this.left, count)
  }

  /** The next `count` bits, up to 24, without taking them. */
  peek(count: number): number {
    return this.#bitsAt(this.left - count, count)
  }

  #bitsAt(position: number, count: number): number {
    if (position < 0) {
      const present = count + position
      return present <= 0 ? 0 : this.#bitsAt(0, present) << -position
    }
    const at = this.#start + (position >> 3)
    const data = this.#data
    const word = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24)
    return (word >>> (position & 7)) & ((1 << count) - 1)
  }
}
