/** The output of a frame as far back as matches may reach. */
import { damaged } from './damaged.js'

/** Up to this many bytes are copied one by one. */
const SHORT = 48

export class Window {
  readonly #size: number
  readonly #capacity: number
  /** Grows with what really comes out: a frame header alone allocates nothing. */
  #buffer: Uint8Array
  #blockStart = 0
  #end = 0
  #blockLimit = 0

  /** `maxBlock` is the most that one block gives; `first` is used as long as it is large enough. */
  constructor(size: number, maxBlock: number, first: Uint8Array) {
    this.#size = size
    // With half a window to spare, what is kept is moved down only once in a while.
    this.#capacity = size + Math.max(size >> 1, maxBlock)
    this.#buffer = first
  }

  /** Begins a block of at most `length` bytes. */
  beginBlock(length: number): void {
    if (this.#end + length > this.#capacity) {
      const kept = Math.min(this.#end, this.#size)
      this.#buffer.copyWithin(0, this.#end - kept, this.#end)
      this.#end = kept
    }
    if (this.#end + length > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#capacity, Math.max(2 * this.#buffer.length, this.#end + length)))
      larger.set(this.#buffer.subarray(0, this.#end))
      this.#buffer = larger
    }
    this.#blockStart = this.#end
    this.#blockLimit = this.#end + length
  }

  /** Appends `bytes[start, end)`. */
  append(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start)
    const buffer = this.#buffer
    let at = this.#end
    this.#end += end - start
    // Most runs are of a few bytes, for which a call into the engine costs more than a loop.
    if (end - start > SHORT) buffer.set(bytes.subarray(start, end), at)
    else for (let source = start; source < end;) buffer[at++] = bytes[source++]!
  }

  repeat(byte: number, length: number): void {
    this.#reserve(length)
    this.#buffer.fill(byte, this.#end, this.#end + length)
    this.#end += length
  }

  /** Copies `length` bytes from `offset` bytes back; source and target may overlap. */
  copyMatch(offset: number, length: number): void {
    this.#reserve(length)
    if (offset > this.#end || offset > this.#size) throw damaged('a match reaches too far back')
    const buffer = this.#buffer
    let at = this.#end
    const from = at - offset
    this.#end += length
    if (length > SHORT && offset >= length) buffer.copyWithin(at, from, from + length)
    else for (let source = from; at < this.#end;) buffer[at++] = buffer[source++]!
  }

  /** A copy of what the block gave. */
  takeBlock(): Uint8Array {
    return this.#buffer.slice(this.#blockStart, this.#end)
  }

  #reserve(length: number): void {
    if (this.#end + length > this.#blockLimit) throw damaged('a block gives more than a block may')
  }
}
