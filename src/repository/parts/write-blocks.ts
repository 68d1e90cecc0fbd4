import { copyBytes } from '../../formats/bytes.js'

/** Bytes of a block. */
const BLOCK = 256 * 1024
/** Blocks that are kept to be filled again: as many as are written at a time, and as wait meanwhile. */
const MOST_SPARE = 4

/** Copies of bytes that wait to be written, in blocks that are used again. */
export class WriteBlocks {
  readonly #blockSize: number
  #filled: Buffer[] = []
  #spare: Buffer[] = []
  #length = 0

  /** @param most bytes that will ever be added. */
  constructor(most: number) {
    this.#blockSize = Math.min(BLOCK, Math.max(most, 1))
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#length
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const start = this.#length % this.#blockSize
      if (start === 0) this.#filled.push(this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#blockSize))
      const piece = bytes.subarray(at, at + this.#blockSize - start)
      copyBytes(this.#filled.at(-1)!, piece, start)
      this.#length += piece.length
      at += piece.length
    }
  }

  /** What waits, in order; waits no longer. `done` gives the blocks back. */
  take(): { readonly blocks: readonly Buffer[]; readonly length: number; readonly done: () => void } {
    const filled = this.#filled
    const length = this.#length
    const blocks = filled.map((block, i) => block.subarray(0, length - i * this.#blockSize))
    this.clear()
    return { blocks, length, done: () => void this.#spare.push(...filled.slice(0, MOST_SPARE - this.#spare.length)) }
  }

  /** Nothing waits any more. */
  clear(): void {
    this.#filled = []
    this.#length = 0
  }
}
