/** Byte strings by number; kept in blocks, so that growing copies nothing. */

const BLOCK_LENGTH = 1024 * 1024

export class DataArea {
  readonly #blocks: Buffer[] = []
  /** The block that is being filled, and how far. */
  #open = -1
  #used = 0
  #count = 0
  /** Of each string: its block, its offset there, its length. */
  #places = new Uint32Array(3 * 1024)

  /** Copies `data` under the next number. */
  append(data: Uint8Array): void {
    if (3 * this.#count === this.#places.length) {
      const places = new Uint32Array(2 * this.#places.length)
      places.set(this.#places)
      this.#places = places
    }
    this.#places.set([...this.#place(data), data.length], 3 * this.#count++)
  }

  /** A view. @param index 0 to the number of strings - 1. */
  at(index: number): Buffer {
    const [block, offset, length] = this.#places.subarray(3 * index, 3 * index + 3)
    return this.#blocks[block].subarray(offset, offset + length)
  }

  #place(data: Uint8Array): [block: number, offset: number] {
    // What would waste much of a block gets one of its own.
    if (data.length > BLOCK_LENGTH / 8) return [this.#blocks.push(Buffer.from(data)) - 1, 0]
    if (this.#open < 0 || this.#used + data.length > BLOCK_LENGTH) {
      this.#open = this.#blocks.push(Buffer.allocUnsafe(BLOCK_LENGTH)) - 1
      this.#used = 0
    }
    const offset = this.#used
    this.#blocks[this.#open].set(data, offset)
    this.#used += data.length
    return [this.#open, offset]
  }
}
