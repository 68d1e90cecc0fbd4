/** The ids of the objects to keep. */
import type { ObjectId } from '../../formats/digest.js'

/**
 * Kept as raw digests in one-byte strings, half as long as hex: a million SHA-256 ids take 70 MB,
 * SHA-512 ids 102 MB (in hex 101 and 165).
 */
export class LiveSet {
  readonly #digests = new Set<string>()

  get size(): number {
    return this.#digests.size
  }

  add(id: ObjectId): void {
    this.#digests.add(Buffer.from(id, 'hex').toString('latin1'))
  }

  has(id: ObjectId): boolean {
    return this.#digests.has(Buffer.from(id, 'hex').toString('latin1'))
  }
}
