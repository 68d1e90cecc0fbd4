/** The parts of a repository, and who works on which blob. */
import { existsSync } from 'node:fs'
import type { Digest, HashAlgorithm } from '../../formats/digest.js'
import { removeQuietly } from '../remove-quietly.js'
import { PartLock } from './part-lock.js'
import { partPaths, removeEmptyPartsDirectory } from './part-files.js'
import { Part } from './part.js'

export interface PartRequest {
  /** Of the blob. */
  readonly digest: Digest
  /** Of the whole blob, in bytes. */
  readonly size: number
}

/** A part with its lock; ends with `release`. */
export interface TakenPart {
  readonly part: Part
  readonly release: () => void
}

export class PartStore {
  readonly #root: string
  readonly #algorithm: HashAlgorithm
  readonly #unwritten = { bytes: 0 }
  readonly #taken = new Set<Part>()
  #isFull = false
  #freed = 0

  /** @param root the repository. */
  constructor(root: string, algorithm: HashAlgorithm) {
    this.#root = root
    this.#algorithm = algorithm
  }

  /** The part of a blob; undefined if somebody else works on that blob. */
  tryTake(request: PartRequest): TakenPart | undefined {
    const lock = PartLock.tryTake(partPaths(this.#root, request.digest).lock)
    return lock && this.#take(request, lock)
  }

  /** Waits until nobody else works on the blob. */
  async take(request: PartRequest, signal: AbortSignal): Promise<TakenPart> {
    return this.#take(request, await PartLock.take(partPaths(this.#root, request.digest).lock, signal))
  }

  /**
   * Removes what is left of a blob that is stored, by a run that was killed before it could; not if somebody works on it.
   */
  forget(digest: Digest): void {
    const { data, journal, lock: path } = partPaths(this.#root, digest)
    if (![data, journal].some((file) => existsSync(file))) return
    const lock = PartLock.tryTake(path)
    if (lock === undefined) return
    removeQuietly(data)
    removeQuietly(journal)
    lock.release()
    removeEmptyPartsDirectory(this.#root)
  }

  /** Makes room for objects: removes the parts of this process and writes no more of them. */
  giveUp(): void {
    this.#isFull = true
    for (const part of this.#taken) {
      this.#freed += part.length
      part.drop()
    }
  }

  /** Bytes that `giveUp` made room for so far. */
  get freed(): number {
    return this.#freed
  }

  #take(request: PartRequest, lock: PartLock): TakenPart {
    const { digest, size } = request
    const part = new Part({
      digest,
      size,
      paths: partPaths(this.#root, digest),
      algorithm: this.#algorithm,
      unwritten: this.#unwritten,
      onFailure: () => this.giveUp(),
      isFull: () => this.#isFull,
    })
    this.#taken.add(part)
    const release = () => {
      this.#taken.delete(part)
      // That the disk was full is news of one run.
      if (this.#taken.size === 0) this.#isFull = false
      lock.release()
      removeEmptyPartsDirectory(this.#root)
    }
    return { part, release }
  }
}
