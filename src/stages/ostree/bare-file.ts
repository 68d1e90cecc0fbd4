/** A file of a repository that keeps contents as they are: read, and then shared with the object store where that is possible. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { ioError, SluiceError } from '../../errors.js'
import { cloneFile } from '../../native/reflink.js'
import { isSettled, isUnwritten } from '../object/unwritten.js'
import type { OpenFile } from './file-batch.js'

/** False after the first try that found that the file systems cannot: all objects are on the same two. */
let canClone = true

export class BareFile implements OpenFile {
  readonly #path: string
  readonly #fd: number
  readonly #stats: Stats
  /** Before it was read. Otherwise it is copied. */
  readonly #wasSettled: boolean

  constructor(path: string) {
    this.#path = path
    this.#fd = openFile(path)
    this.#stats = fstatSync(this.#fd)
    this.#wasSettled = isSettled(this.#stats)
  }

  pieces(buffer: Buffer): Generator<Uint8Array> {
    return readPieces(this.#fd, buffer)
  }

  /** @throws SluiceError `SLUICE_IO` if somebody has changed the file since it was opened: what was hashed is not what is shared. */
  cloneTo(fd: number): boolean {
    if (!canClone || !this.#wasSettled) return false
    canClone = cloneFile(this.#fd, fd) === 'cloned'
    if (!canClone || isUnwritten(this.#fd, this.#stats)) return canClone
    throw new SluiceError('SLUICE_IO', `${this.#path} was changed while it was read`, {
      hint: 'pull again when nobody writes to it',
      details: { path: this.#path },
    })
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
