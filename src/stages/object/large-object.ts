import { VerityTree } from '../../formats/verity/digest.js'
import type { ObjectStore, ObjectWriter, StoredObject } from '../../repository/objects.js'

/** An object of several slabs: written by any thread at any place, its blocks' hashes put together here in order. */
export class LargeObject {
  readonly size: number
  readonly #writer: ObjectWriter
  readonly #tree: VerityTree
  #planned = 0

  /** @param size in bytes. */
  constructor(store: ObjectStore, size: number) {
    this.size = size
    this.#writer = store.begin()
    this.#tree = new VerityTree(store.algorithm)
  }

  get fd(): number {
    return this.#writer.fd
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
