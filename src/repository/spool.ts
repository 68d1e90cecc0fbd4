/** Bytes kept until what precedes them in a file is known: in memory while few, else in a temporary file. */
import { constants, readSync, unlinkSync } from 'node:fs'
import { closeQuietly } from './close-quietly.js'
import type { TemporaryFiles } from './temporary-object.js'
import { writeAll } from './write-all.js'

const MEMORY_LIMIT = 8 * 1024 * 1024
const READ_SIZE = 1024 * 1024

export class Spool {
  readonly #temporaries: TemporaryFiles
  #pieces: Buffer[] = []
  #length = 0
  #fd = -1

  /** @param temporaries makes a file if one is needed; it is unlinked at once, so that nothing can stay behind. */
  constructor(temporaries: TemporaryFiles) {
    this.#temporaries = temporaries
  }

  get length(): number {
    return this.#length
  }

  append(bytes: Buffer): void {
    if (this.#fd < 0 && this.#length + bytes.length > MEMORY_LIMIT) this.#spill()
    if (this.#fd < 0) this.#pieces.push(bytes)
    else this.#write(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Replaces what was appended at `offset` as one piece. */
  patch(offset: number, bytes: Buffer): void {
    if (this.#fd >= 0) return this.#write(bytes, offset)
    for (let at = 0, i = 0; i < this.#pieces.length; at += this.#pieces[i].length, i++) {
      if (at === offset) this.#pieces[i] = bytes
    }
  }

  *read(): Generator<Buffer> {
    if (this.#fd < 0) return yield* this.#pieces
    const buffer = Buffer.allocUnsafe(READ_SIZE)
    for (let at = 0; at < this.#length;) {
      const count = readSync(this.#fd, buffer, 0, READ_SIZE, at)
      at += count
      yield buffer.subarray(0, count)
    }
  }

  dispose(): void {
    const fd = this.#fd
    this.#fd = -1
    this.#pieces = []
    if (fd >= 0) closeQuietly(fd)
  }

  #spill(): void {
    const { path, fd } = this.#temporaries.create(constants.O_RDWR)
    this.#fd = fd
    unlinkSync(path)
    let at = 0
    for (const piece of this.#pieces) {
      this.#write(piece, at)
      at += piece.length
    }
    this.#pieces = []
  }

  #write(bytes: Buffer, offset: number): void {
    writeAll(this.#fd, bytes, offset)
  }
}
