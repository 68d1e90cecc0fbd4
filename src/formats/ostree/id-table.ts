/** A set of object ids that numbers them in order of arrival: 32 bytes an id, and 8 to 16 for finding it. */
import { ID_LENGTH } from './ostree-id.js'

const EMPTY = 0xffff_ffff
const FIRST_CAPACITY = 1024

export class IdTable {
  #bytes = Buffer.alloc(FIRST_CAPACITY * ID_LENGTH)
  /** Open addressing by the first bytes of ids, which are random; at most half full. */
  #slots = new Uint32Array(2 * FIRST_CAPACITY).fill(EMPTY)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** The 32 bytes of an id, a view. @param index 0 to `count` - 1. */
  at(index: number): Buffer {
    return this.#bytes.subarray(index * ID_LENGTH, (index + 1) * ID_LENGTH)
  }

  /** The number of an id, or -1. */
  indexOf(id: Buffer): number {
    const index = this.#slots[this.#slotOf(id)]
    return index === EMPTY ? -1 : index
  }

  /** Whether the id is new; its number is what `count` was. */
  add(id: Buffer): boolean {
    const slot = this.#slotOf(id)
    if (this.#slots[slot] !== EMPTY) return false
    id.copy(this.#bytes, this.#count * ID_LENGTH)
    this.#slots[slot] = this.#count++
    if (this.#count * 2 === this.#slots.length) this.#grow()
    return true
  }

  /** All numbers, in byte order of their ids. */
  sorted(): Uint32Array {
    // The first four bytes, which nearly always decide, and the number below them, as one integer: V8 sorts those without
    // calling back, in a tenth of the time.
    const keys = new BigUint64Array(this.#count)
    const words = new Uint32Array(keys.buffer)
    for (let index = 0; index < this.#count; index++) {
      words[2 * index] = index
      words[2 * index + 1] = this.#bytes.readUInt32BE(index * ID_LENGTH)
    }
    keys.sort()
    const order = new Uint32Array(this.#count)
    for (let at = 0; at < order.length; at++) order[at] = words[2 * at]
    // Those that begin alike are beside each other.
    for (let end = 1; end < order.length; end++) {
      for (let at = end; at > 0 && words[2 * at - 1] === words[2 * end + 1]; at--) {
        if (Buffer.compare(this.at(order[at - 1]), this.at(order[at])) < 0) break
        const later = order[at - 1]
        order[at - 1] = order[at]
        order[at] = later
      }
    }
    return order
  }

  /** Where an id is, or the free slot for it. */
  #slotOf(id: Buffer): number {
    const mask = this.#slots.length - 1
    for (let slot = id.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot]
      if (index === EMPTY || this.#bytes.compare(id, 0, ID_LENGTH, index * ID_LENGTH, (index + 1) * ID_LENGTH) === 0) {
        return slot
      }
    }
  }

  #grow(): void {
    const bytes = Buffer.alloc(2 * this.#bytes.length)
    bytes.set(this.#bytes)
    this.#bytes = bytes
    this.#slots = new Uint32Array(2 * this.#slots.length).fill(EMPTY)
    for (let index = 0; index < this.#count; index++) this.#slots[this.#slotOf(this.at(index))] = index
  }
}
