/** Turns the file bodies of an archive into objects, piece by piece. */
import type { ObjectId } from '../../formats/digest.js'
import type { ObjectStore, ObjectWriter, StoredObject } from '../../repository/objects.js'

/** Up to this size a body is gathered in memory: it is hashed first, and written only if its object is new. */
const GATHER_LIMIT = 1024 * 1024

/** What became of the file bodies; sizes in bytes. */
export interface ObjectStats {
  newObjects: number
  presentObjects: number
  /** Bytes of new objects. */
  storedBytes: number
}

export const noObjects = (): ObjectStats => ({ newObjects: 0, presentObjects: 0, storedBytes: 0 })

/** Takes one body at a time: `begin`, `data`…, `end`. */
export class ObjectSink {
  readonly stats = noObjects()
  readonly #store: ObjectStore
  #gathered: Buffer | undefined
  #used = 0
  #writer: ObjectWriter | undefined

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** @param size of the whole body, in bytes. */
  begin(size: number): void {
    if (size <= GATHER_LIMIT) {
      this.#gathered = Buffer.allocUnsafe(size)
      this.#used = 0
    } else {
      this.#writer = this.#store.begin()
    }
  }

  data(bytes: Uint8Array): void {
    if (this.#gathered === undefined) return this.#writer!.write(bytes)
    this.#gathered.set(bytes, this.#used)
    this.#used += bytes.length
  }

  end(): ObjectId {
    const stored = this.#gathered === undefined ? this.#writer!.commit() : this.#store.store(this.#gathered)
    this.#gathered = undefined
    this.#writer = undefined
    this.#count(stored)
    return stored.id
  }

  /** Gives up an open body; nothing of it stays. */
  abort(): void {
    this.#writer?.abort()
    this.#writer = undefined
  }

  #count(stored: StoredObject): void {
    if (stored.isNew) {
      this.stats.newObjects++
      this.stats.storedBytes += stored.size
    } else {
      this.stats.presentObjects++
    }
  }
}
