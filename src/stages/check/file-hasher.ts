/** fs-verity digests of files, of many small ones together (repository.md §1). */
import { readSync } from 'node:fs'
import type { HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { VerityHasher, verityDigests } from '../../formats/verity/digest.js'
import type { Breather } from '../../flow/breather.js'
import { hashTogether } from '../../native/multi-hash.js'

/** What is read is hashed while it is in the processor's cache; larger files pass through it in pieces. */
const BUFFER_SIZE = 1024 * 1024
/** Files of one group; that many fill the lanes of the library whatever their size. */
const MOST_FILES = 128

interface ReadFile {
  /** Where its content is in the buffer. */
  readonly start: number
  readonly end: number
  readonly onDigest: (id: ObjectId) => void
}

export class FileHasher {
  readonly #algorithm: HashAlgorithm
  // Not of Node's pool: the library wants the address of the memory, which is asked for once for each.
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE)
  /** Files that are read and not hashed. */
  #files: ReadFile[] = []

  constructor(algorithm: HashAlgorithm) {
    this.#algorithm = algorithm
  }

  /** Reads the file to its end. Its digest may come only with one of the next files, or by `flush`. */
  async add(fd: number, onDigest: (id: ObjectId) => void, breather: Breather): Promise<void> {
    let start = this.#files.at(-1)?.end ?? 0
    let end = start
    for (;;) {
      if (end === BUFFER_SIZE) {
        if (start === 0) return onDigest(await this.#hashLarge(fd, breather))
        this.flush()
        this.#buffer.copyWithin(0, start, end)
        end -= start
        start = 0
      }
      const count = readSync(fd, this.#buffer, end, BUFFER_SIZE - end, null)
      if (count === 0) break
      end += count
    }
    this.#files.push({ start, end, onDigest })
    if (this.#files.length === MOST_FILES) this.flush()
  }

  flush(): void {
    const files = this.#files
    this.#files = []
    const contents = files.map(({ start, end }) => this.#buffer.subarray(start, end))
    verityDigests(this.#algorithm, contents, hashTogether).forEach((id, i) => files[i].onDigest(id))
  }

  /** The buffer is full of the beginning of the file. */
  async #hashLarge(fd: number, breather: Breather): Promise<ObjectId> {
    const hasher = new VerityHasher(this.#algorithm, hashTogether)
    for (let count = BUFFER_SIZE; count > 0; count = readSync(fd, this.#buffer, 0, BUFFER_SIZE, null)) {
      hasher.update(this.#buffer.subarray(0, count))
      await breather.breathe()
    }
    return hasher.digest()
  }
}
