/** Input of a stream format that comes in pieces of any size; holds only what came, whatever lengths the stream states. */
export class ChunkInput {
  #pieces: Buffer[] = []
  #length = 0
  /** Bytes taken so far, for errors. */
  position = 0

  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  get length(): number {
    return this.#length
  }

  /** The next `length` bytes, without taking them; undefined if they are not there yet. */
  peek(length: number): Buffer | undefined {
    if (this.#length < length) return undefined
    if (this.#pieces.length === 0 || this.#pieces[0].length < length) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0].subarray(0, length)
  }

  /** Passes over `length` of the bytes that were looked at. */
  skip(length: number): void {
    if (length === 0) return
    this.#pieces[0] = this.#pieces[0].subarray(length)
    if (this.#pieces[0].length === 0) this.#pieces.shift()
    this.#length -= length
    this.position += length
  }
}
