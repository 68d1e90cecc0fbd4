/** Files of the object store that have no name of their own yet. */
import { closeSync, constants, openSync } from 'node:fs'
import { errnoOf, ioError } from '../errors.js'
import { closeQuietly } from './close-quietly.js'
import { makeDirectories, randomSuffix } from './links.js'
import { removeQuietly } from './remove-quietly.js'
import { writeAll } from './write-all.js'

export const TEMPORARY_PREFIX = '.tmp-object-'

const CREATE = constants.O_CREAT | constants.O_EXCL
/** Random once in a thread, with a counter behind it: a random name for each object would cost more than its file. */
const temporaryPrefix = `${TEMPORARY_PREFIX}${randomSuffix().slice(0, 6)}`
let temporaries = 0

/** A path in `objects/` that no file has. */
export function temporaryPath(directory: string): string {
  return `${directory}/${temporaryPrefix}${(temporaries++).toString(36).padStart(6, '0')}`
}

/** Creates an empty file. @param access `O_WRONLY` or `O_RDWR`. */
export function createTemporary(directory: string, access: number): { readonly path: string; readonly fd: number } {
  const path = temporaryPath(directory)
  try {
    return { path, fd: openSync(path, CREATE | access, 0o644) }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError(error, 'cannot create a file in the repository')
    makeDirectories(directory, 0o755, 0)
    return { path, fd: openSync(path, CREATE | access, 0o644) }
  }
}

/** A file under a temporary name in `objects/`. */
export class TemporaryObject {
  readonly path: string
  #fd: number

  constructor(directory: string, { path, fd } = createTemporary(directory, constants.O_WRONLY)) {
    this.path = path
    this.#fd = fd
  }

  /** One that somebody else has written and closed. */
  static adopt({ path }: { readonly path: string }): TemporaryObject {
    return new TemporaryObject('', { path, fd: -1 })
  }

  get fd(): number {
    return this.#fd
  }

  write(data: Uint8Array): void {
    writeAll(this.#fd, data)
  }

  close(): void {
    const fd = this.#fd
    // Before the call: a descriptor is closed even if close() fails, and its number may be another file's by then.
    this.#fd = -1
    if (fd >= 0) closeSync(fd)
  }

  discard(): void {
    const fd = this.#fd
    this.#fd = -1
    if (fd >= 0) closeQuietly(fd)
    removeQuietly(this.path)
  }
}
