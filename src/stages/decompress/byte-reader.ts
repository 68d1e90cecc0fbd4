/** Exact numbers of bytes out of chunks of any size. */

export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Bytes taken so far, for errors. */
  position = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** Whether the source has no more bytes. */
  async atEnd(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#iterator.next()
      if (next.done === true) return true
      this.#chunk = next.value
      this.#at = 0
    }
    return false
  }

  /** Fills `target[0, length)`; false if the source ends before. */
  async fill(target: Uint8Array, length: number): Promise<boolean> {
    for (let filled = 0; filled < length;) {
      if (await this.atEnd()) return false
      const piece = this.#take(length - filled)
      target.set(piece, filled)
      filled += piece.length
    }
    return true
  }

  /** Passes over `length` bytes; false if the source ends before. */
  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0;) {
      if (await this.atEnd()) return false
      left -= this.#take(left).length
    }
    return true
  }

  /** What is left of the current chunk; nothing before the first `atEnd`. */
  available(): Uint8Array {
    return this.#chunk.subarray(this.#at)
  }

  /** Passes over `length` of the available bytes. */
  advance(length: number): void {
    this.#take(length)
  }

  /** Lets the source clean up. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  #take(most: number): Uint8Array {
    const piece = this.#chunk.subarray(this.#at, this.#at + most)
    this.#at += piece.length
    this.position += piece.length
    return piece
  }
}
