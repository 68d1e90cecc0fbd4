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
    let block: number
    let offset = 0
    // What would waste much of a block gets one of its own.
    if (data.length > BLOCK_LENGTH / 8) block = this.#blocks.push(Buffer.from(data)) - 1
    else {
      if (this.#open < 0 || this.#used + data.length > BLOCK_LENGTH) this.#openBlock()
      block = this.#open
      offset = this.#used
      this.#blocks[block].set(data, offset)
      this.#used += data.length
    }
    this.#places[place] = block
    this.#places[place + 1] = offset
    this.#places[place + 2] = data.length
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

  #openBlock(): void {
    this.#open = this.#blocks.push(Buffer.allocUnsafe(BLOCK_LENGTH)) - 1
    this.#used = 0
  }
}
