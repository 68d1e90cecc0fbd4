/** A file of a repository that keeps contents as they are: read, and then shared with the object store where that is possible. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { ioError } from '../../errors.js'
import { cloneFile } from '../../native/reflink.js'
import { ensureUnwritten } from '../object/ensure-unwritten.js'
import type { OpenFile } from './file-batch.js'

/** False after the first try that found that the file systems cannot: all objects are on the same two. */
let canClone = true

export class BareFile implements OpenFile {
  readonly #path: string
  readonly #fd: number
  readonly #stats: Stats

  constructor(path: string) {
    this.#path = path
    this.#fd = openFile(path)
    this.#stats = fstatSync(this.#fd)
  }

  pieces(buffer: Buffer): Generator<Uint8Array> {
    return readPieces(this.#fd, buffer)
  }

  /** @throws SluiceError if somebody has changed the file since it was opened: what was hashed is not what is shared. */
  cloneTo(fd: number): boolean {
    if (!canClone) return false
    canClone = cloneFile(this.#fd, fd) === 'cloned'
    if (canClone) ensureUnwritten({ fd: this.#fd, path: this.#path }, this.#stats)
    return canClone
  }

  close(): void {
    closeSync(this.#fd)
  }
}

export function openFile(path: string): number {
  try {
    // Whatever lies there must not be waited for, as a pipe would be.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw ioError(error, `cannot open ${path}`)
  }
}

/** The bytes of a file in pieces that are good until the next one. */
export function* readPieces(fd: number, buffer: Buffer): Generator<Uint8Array> {
  for (;;) {
    const length = readSync(fd, buffer, 0, buffer.length, null)
    if (length > 0) yield buffer.subarray(0, length)
    if (length < buffer.length) return
  }
}
