/** The lock of a blob: whoever holds it fetches the blob, in all processes. */
import { fstatSync, statSync } from 'node:fs'
import { errnoOf } from '../../errors.js'
import { lock, lockingAvailable, tryLock } from '../../native/lock.js'
import { closeQuietly } from '../close-quietly.js'
import { removeQuietly } from '../remove-quietly.js'
import { createPartFile } from './part-files.js'

export class PartLock {
  readonly #path: string
  #fd: number

  private constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
  }

  /** The lock, or undefined if somebody else has it. */
  static tryTake(path: string): PartLock | undefined {
    for (;;) {
      const fd = openLock(path)
      if (fd >= 0 && !tryLock(fd, 'exclusive')) {
        closeQuietly(fd)
        return undefined
      }
      if (fd < 0 || isCurrent(fd, path)) return new PartLock(path, fd)
      closeQuietly(fd)
    }
  }

  /** Waits for the lock. */
  static async take(path: string, signal: AbortSignal): Promise<PartLock> {
    for (;;) {
      const fd = openLock(path)
      try {
        if (fd >= 0) await lock(fd, 'exclusive', { signal })
      } catch (error) {
        closeQuietly(fd)
        throw error
      }
      if (fd < 0 || isCurrent(fd, path)) return new PartLock(path, fd)
      closeQuietly(fd)
    }
  }

  /** Removes the file first: who waits on it sees that it is not the current one any more. */
  release(): void {
    if (this.#fd < 0) return
    removeQuietly(this.#path)
    closeQuietly(this.#fd)
    this.#fd = -1
  }
}

/**
 * -1 where there are no locks: without native code, or if the file cannot be made, as on a full disk. Then two processes
 * may fetch the same blob, which costs time and nothing else.
 */
function openLock(path: string): number {
  if (!lockingAvailable()) return -1
  try {
    return createPartFile(path)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return -1
  }
}

/** Whether the locked file is still the one that others find by the path. */
function isCurrent(fd: number, path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true })
  return found !== undefined && found.ino === fstatSync(fd, { bigint: true }).ino
}
