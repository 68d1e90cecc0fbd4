/** Files of the object store that have no name of their own yet. */
import { closeSync, constants, openSync } from 'node:fs'
import { errnoOf, ioError } from '../errors.js'
import { closeQuietly } from './close-quietly.js'
import { makeDirectories, randomSuffix } from './links.js'
import { removeEmptyDirectories, removeQuietly } from './remove-quietly.js'
import { writeAll } from './write-all.js'

export const TEMPORARY_PREFIX = '.tmp-object-'

const CREATE = constants.O_CREAT | constants.O_EXCL

/** The place of temporary files: `objects/` itself, or a directory in it that a thread has for itself. */
export class TemporaryFiles {
  readonly #directory: string
  readonly #isOwn: boolean
  /** Of all paths; random once, with a counter behind it: a random name for each object would cost more than its file. */
  readonly #prefix: string
  #count = 0

  /**
   * @param objects `objects/` of the repository.
   * @param isOwn whether the files get a directory of their own. Threads that make files in one directory, and rename them out
   *   of it, wait for each other: a quarter of that time on xfs, 6 % on tmpfs.
   */
  constructor(objects: string, isOwn: boolean) {
    const prefix = `${objects}/${TEMPORARY_PREFIX}${randomSuffix().slice(0, 6)}`
    this.#directory = isOwn ? prefix : objects
    this.#prefix = isOwn ? `${prefix}/` : prefix
    this.#isOwn = isOwn
  }

  /** A path that no file has; its directory is there once a file was created. */
  newPath(): string {
    return `${this.#prefix}${(this.#count++).toString(36).padStart(6, '0')}`
  }

  /** Creates an empty file. @param access `O_WRONLY` or `O_RDWR`. */
  create(access: number): { readonly path: string; readonly fd: number } {
    try {
      return this.#create(access)
    } catch (error) {
      throw ioError(error, 'cannot create a file in the repository')
    }
  }

  /** Removes the directory of a thread that ends, unless something is left in it. */
  end(): void {
    if (this.#isOwn) removeEmptyDirectories([this.#directory])
  }

  #create(access: number): { readonly path: string; readonly fd: number } {
    const path = this.newPath()
    const flags = CREATE | access
    try {
      return { path, fd: openSync(path, flags, 0o644) }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      // The repository itself is not to come back when somebody has removed it.
      makeDirectories(this.#directory, 0o755, this.#isOwn ? 1 : 0)
      return { path, fd: openSync(path, flags, 0o644) }
    }
  }
}

/** A file under a temporary name. */
export class TemporaryObject {
  readonly path: string
  #fd: number

  /** @param fd open for writing; -1 for one that somebody else has written and closed. */
  constructor({ path, fd = -1 }: { readonly path: string; readonly fd?: number }) {
    this.path = path
    this.#fd = fd
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
