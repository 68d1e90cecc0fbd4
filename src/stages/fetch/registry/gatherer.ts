/**
 * What is pushed in small pieces, pulled in large chunks. A connection gives 64 KiB at a time, and each piece that goes
 * through the stages costs them several turns of promises; here it costs a copy, which it needs anyway.
 */
import { copyBytes } from '../../../formats/bytes.js'
import type { OutputMemory } from '../../decompress/output-memory.js'

export class Gatherer {
  /** What the reader waits with, and how much of it is filled. */
  #target: Buffer | undefined
  #filled = 0
  /** Of a piece that found no room, and who waits until it does. */
  #rest: Uint8Array = new Uint8Array(0)
  #onTaken: (() => void) | undefined
  #onFilled: (() => void) | undefined
  #isOver = false
  /** Nobody wants more. */
  #isClosed = false
  #failure: unknown

  /** Takes the next piece, which must stay as it is while a promise for it is pending; only then is there another. */
  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.#isClosed) return undefined
    this.#rest = piece
    this.#move()
    if (this.#rest.length === 0) return undefined
    return new Promise((resolve) => (this.#onTaken = resolve))
  }

  /** Nothing more comes; `failure` is thrown behind what has come. */
  end(failure?: unknown): void {
    this.#isOver = true
    this.#failure = failure
    this.#onFilled?.()
  }

  /** What is written, in chunks that fill the pieces of `memory`, but for the last one. Those are good until the next one is asked for. */
  async *chunks(memory: OutputMemory): AsyncGenerator<Uint8Array> {
    try {
      while (!this.#isOver || this.#rest.length > 0) {
        const piece = await memory.take()
        try {
          await this.#fill(piece.bytes)
          if (this.#filled > 0) yield piece.bytes.subarray(0, this.#filled)
        } finally {
          memory.give(piece)
        }
      }
      if (this.#failure !== undefined) throw this.#failure
    } finally {
      this.#isClosed = true
      this.#onTaken?.()
    }
  }

  /** Until it is full, or nothing more comes. */
  async #fill(target: Buffer): Promise<void> {
    this.#target = target
    this.#filled = 0
    this.#move()
    if (this.#filled < target.length && !this.#isOver) await new Promise<void>((resolve) => (this.#onFilled = resolve))
    this.#target = undefined
  }

  #move(): void {
    if (this.#target === undefined) return
    const length = Math.min(this.#rest.length, this.#target.length - this.#filled)
    copyBytes(this.#target, this.#rest.subarray(0, length), this.#filled)
    this.#filled += length
    this.#rest = this.#rest.subarray(length)
    if (this.#rest.length === 0) this.#onTaken?.()
    if (this.#filled === this.#target.length) this.#onFilled?.()
  }
}
