/**
 * Where objects are before they are in the repository: a directory of their own in its `tmp`.
 *
 * A name in `objects` must mean that the object is complete, also after the power was cut. So nothing is moved there
 * before all of it is on the disk, which is one `syncfs` for all objects instead of an `fsync` for each.
 *
 * What a killed export leaves here, ostree removes when it is a day old, as it does with what it leaves itself.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { ostreeObjectPath, type ObjectSuffix } from '../../formats/ostree/object-type.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { syncFileSystem } from '../../native/durability.js'
import { recordLock } from '../../native/record-lock.js'
import { makeDirectories, randomSuffix } from '../../repository/links.js'
import { writeAll } from '../../repository/write-all.js'

/** As libostree waits. */
const LOCK_TIMEOUT_MS = 300_000

export class Staging {
  readonly #repository: string
  readonly #directory: string
  readonly #lock: number
  /** Paths below the repository and where the files are until then, in the order in which they were added. */
  readonly #staged = new Map<string, string>()

  private constructor(repository: string, directory: string, lock: number) {
    this.#repository = repository
    this.#directory = directory
    this.#lock = lock
  }

  /**
   * Shares the lock of the repository, without which `ostree prune` could take objects away before a ref holds them.
   *
   * @param repository the path of an ostree repository.
   * @throws SluiceError `SLUICE_REPOSITORY` if somebody prunes it all the time.
   */
  static async open(repository: string, signal: AbortSignal): Promise<Staging> {
    const directory = join(repository, 'tmp', `sluice-export-${randomSuffix()}`)
    let lock: number | undefined
    try {
      lock = openSync(join(repository, '.lock'), constants.O_RDWR | constants.O_CREAT, 0o660)
      if ((await recordLock(lock, { timeoutMs: LOCK_TIMEOUT_MS, signal })) === 'busy') {
        throw new SluiceError('SLUICE_REPOSITORY', `${repository} is locked: somebody prunes it`, { retryable: true })
      }
      mkdirSync(directory, 0o700)
      return new Staging(repository, directory, lock)
    } catch (error) {
      if (lock !== undefined) closeSync(lock)
      throw ioError(error, `cannot write to ${repository}`)
    }
  }

  /** Where the file of an object is, be it staged or stored; undefined if there is none. */
  find(id: OstreeId, suffix: ObjectSuffix): string | undefined {
    const path = ostreeObjectPath(id, suffix)
    const stored = join(this.#repository, path)
    return this.#staged.get(path) ?? (lstatSync(stored, { throwIfNoEntry: false }) && stored)
  }

  /** Has `write` make the file of an object, at the path that it gets; done, it must be complete. Its time becomes 0, as ostree's are. */
  async add(id: OstreeId, suffix: ObjectSuffix, write: (path: string) => void | Promise<void>): Promise<void> {
    const file = join(this.#directory, `${id}.${suffix}`)
    await write(file)
    lutimesSync(file, 0, 0)
    this.#staged.set(ostreeObjectPath(id, suffix), file)
  }

  /** Moves all objects to where they belong, in the order in which they were added. */
  async publish(): Promise<void> {
    if (this.#staged.size === 0) return
    await this.#sync()
    for (const [path, file] of this.#staged) {
      try {
        moveFile(file, join(this.#repository, path))
      } catch (error) {
        throw ioError(error, `cannot store ${path} in ${this.#repository}`)
      }
    }
    this.#staged.clear()
    await this.#sync()
  }

  /** Makes a ref point to a commit, whatever it was before. @param ref a name below `refs/heads`. */
  setRef(ref: string, commit: OstreeId): void {
    const file = join(this.#directory, 'ref')
    const path = join(this.#repository, 'refs/heads', ref)
    try {
      writeDurably(file, `${commit}\n`)
      moveFile(file, path)
    } catch (error) {
      if (!inTheWay.has(errnoOf(error) ?? '')) throw ioError(error, `cannot write ${path}`)
      throw new SluiceError('SLUICE_USAGE', `${this.#repository} cannot have a ref ${ref}: another one is in its way`, {
        cause: error,
        hint: 'a ref cannot be the beginning of another one, as both are paths',
      })
    }
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true, force: true })
    closeSync(this.#lock)
  }

  async #sync(): Promise<void> {
    const directory = openSync(this.#repository, 'r')
    try {
      await syncFileSystem(this.#repository, directory)
    } finally {
      closeSync(directory)
    }
  }
}

/** A directory where a file is to be, or the other way round. */
const inTheWay: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY'])

function moveFile(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    makeDirectories(dirname(to))
    renameSync(from, to)
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'w', 0o644)
  try {
    writeAll(fd, Buffer.from(text))
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
