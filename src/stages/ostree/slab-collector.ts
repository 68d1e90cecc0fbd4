/** Objects that came whole, put together in slabs, so that a thread gets many with one message. */
import { copyBytes } from '../../formats/bytes.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { SLAB_BYTES, type Slab } from '../slab/slab-pool.js'
import type { StoreFilesOptions } from './file-workers.js'
import type { OstreeEngine } from './source.js'

/** Files that a thread gets at a time: more would leave the other threads without work in the end. */
const MOST_FILES = 128

export class SlabCollector {
  readonly #engine: OstreeEngine
  readonly #options: Pick<StoreFilesOptions, 'signal' | 'onStored'>
  #slab: Slab | undefined
  #taking: Promise<void> | undefined
  #ids: OstreeId[] = []
  #places: number[] = []
  readonly #storing = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(engine: OstreeEngine, options: Pick<StoreFilesOptions, 'signal' | 'onStored'>) {
    this.#engine = engine
    this.#options = options
  }

  /** Takes an object of at most `SLAB_BYTES` when there is memory for it. */
  async add(id: OstreeId, object: Uint8Array): Promise<void> {
    const { length } = object
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#slab === undefined) await (this.#taking ??= this.#take())
      else if (this.#slab.length + length > SLAB_BYTES || this.#ids.length === MOST_FILES) this.#flush(this.#slab)
      else break
    }
    const slab = this.#slab
    this.#ids.push(id)
    this.#places.push(slab.length, length)
    copyBytes(slab.room.bytes, object, slab.length)
    slab.length += length
  }

  /** Waits until all is stored. */
  async end(): Promise<void> {
    if (this.#slab !== undefined) this.#flush(this.#slab)
    await this.settled()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Waits until no thread is at work, whatever becomes of it; nothing may be added any more. */
  async settled(): Promise<void> {
    await this.#taking?.catch(() => undefined)
    await Promise.all(this.#storing)
    if (this.#slab !== undefined) this.#engine.slabs.give(this.#slab)
    this.#slab = undefined
  }

  async #take(): Promise<void> {
    try {
      this.#slab = await this.#engine.slabs.take(this.#options.signal)
    } finally {
      this.#taking = undefined
    }
  }

  #flush(slab: Slab): void {
    const ids = this.#ids
    const files = { ids, places: this.#places }
    this.#slab = undefined
    this.#ids = []
    this.#places = []
    const storing = this.#engine.workers
      .archivedFiles(slab, files)
      .then((stored) => this.#options.onStored(ids, stored))
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => {
        this.#engine.slabs.give(slab)
        this.#storing.delete(storing)
      })
    this.#storing.add(storing)
  }
}
