import { VerityTree } from '../../formats/verity/digest.js'
import type { ObjectStore, ObjectWriter, StoredObject, WrittenFile } from '../../repository/objects.js'

/** An object of several slabs: written by any thread at any place, its blocks' hashes put together here in order. */
export class LargeObject {
  readonly size: number
  readonly #writer: ObjectWriter
  readonly #tree: VerityTree
  readonly #isWritten: boolean
  #planned = 0

  /**
   * @param size in bytes.
   * @param written has the content already: it is hashed only.
   */
  constructor(store: ObjectStore, size: number, written?: WrittenFile) {
    this.size = size
    this.#writer = store.begin(written)
    this.#isWritten = written !== undefined
    this.#tree = new VerityTree(store.algorithm)
  }

  /** Where its pieces are to be written. */
  get fd(): number | undefined {
    return this.#isWritten ? undefined : this.#writer.fd
  }

  /** Where the next piece, of `length` bytes, goes. */
  plan(length: number): number {
    const position = this.#planned
    this.#planned += length
    return position
  }

  /** The hashes of the blocks of the next `length` bytes. */
  addLeaves(hashes: Uint8Array, length: number): void {
    this.#tree.addLeaves(hashes, length)
  }

  /** Once all pieces are written and their hashes added. */
  commit(): StoredObject {
    return this.#writer.commit(this.#tree.digest(), this.size)
  }

  /** Gives up; nothing of it stays. No thread may be writing to it any more. */
  abort(): void {
    this.#writer.abort()
  }
}
