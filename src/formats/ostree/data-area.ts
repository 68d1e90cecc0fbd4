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
    const place = 3 * this.#count
    if (place === this.#places.length) {
      const places = new Uint32Array(2 * place)
      places.set(this.#places)
      this.#places = places
    }
    // What would waste much of a block gets one of its own.
    const isLarge = data.length > BLOCK_LENGTH / 8
    const offset = isLarge ? 0 : this.#makeRoom(data.length)
    this.#places[place] = isLarge ? this.#blocks.push(Buffer.from(data)) - 1 : this.#open
    this.#places[place + 1] = offset
    this.#places[place + 2] = data.length
    if (!isLarge) this.#blocks[this.#open].set(data, offset)
    this.#count++
  }

  /** A view. @param index 0 to the number of strings - 1. */
  at(index: number): Buffer {
    const place = 3 * index
    const offset = this.#places[place + 1]
    return this.#blocks[this.#places[place]].subarray(offset, offset + this.#places[place + 2])
  }

  /** Bytes. */
  lengthAt(index: number): number {
    return this.#places[3 * index + 2]
  }

  /** Where the next `length` bytes go in the open block. */
  #makeRoom(length: number): number {
    if (this.#open < 0 || this.#used + length > BLOCK_LENGTH) {
      this.#open = this.#blocks.push(Buffer.allocUnsafe(BLOCK_LENGTH)) - 1
      this.#used = 0
    }
    const offset = this.#used
    this.#used += length
    return offset
  }
}
