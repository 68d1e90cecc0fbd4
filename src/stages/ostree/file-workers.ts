/** Who brings files of commits into the object store: other threads, or this one. */
import { naming } from '../../errors.js'
import { inlineLimit } from '../../formats/ostree/limits.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { ObjectStore } from '../../repository/objects.js'
import { SLAB_HEADROOM, type Slab } from '../slab/slab-pool.js'
import { ArchiveFileReader } from './archive-file.js'
import { FileBatch, type StoredFiles } from './file-batch.js'
import type { LocalRepository } from './local-repository.js'
import { Inflaters } from './inflaters.js'
import { storeInBatch } from './store-in-batch.js'

/** `.filez` objects that lie in one slab as a whole. Plain data. */
export interface ArchivedFiles {
  readonly ids: readonly OstreeId[]
  /** Start in the room of the slab and length of each, in bytes: start, length, start, length, … */
  readonly places: readonly number[]
}

export interface StoreFilesOptions {
  readonly signal: AbortSignal
  /** Told what became of some of the files. */
  readonly onStored: (ids: readonly OstreeId[], stored: StoredFiles) => void
  /** Told how many bytes came from the source. */
  readonly onProgress: (bytes: number) => void
}

export interface FileWorkers {
  /** Stores files of a repository in a directory. */
  localFiles(repository: LocalRepository, ids: readonly OstreeId[]): Promise<StoredFiles>
  /** Stores objects in a slab, whose memory must stay as it is until the promise is settled. */
  archivedFiles(slab: Slab, files: ArchivedFiles): Promise<StoredFiles>
  /** Stores one object that comes slab by slab. */
  archivedFile(id: OstreeId): FileReceiver
}

/** Takes one object in pieces, in the order of the calls. Ends in `end` or `abort`. */
export interface FileReceiver {
  /** Takes what `slab` is filled with; it must stay as it is until the promise is settled. */
  push(slab: Slab): Promise<void>
  end(): Promise<StoredFiles>
  abort(): void
}

/** The work of a thread on the objects in `memory`, that of a slab. */
export async function storeArchivedFiles(
  store: ObjectStore,
  memory: Buffer,
  { ids, places }: ArchivedFiles,
): Promise<StoredFiles> {
  return storeInBatch(store, async (batch, inflaters) => {
    for (const [i, id] of ids.entries()) {
      const start = SLAB_HEADROOM + places[2 * i]
      const reader = new ArchiveFileReader(inflaters, (headers) => batch.open(id, headers))
      try {
        const pending = reader.takeWhole(memory.subarray(start, start + places[2 * i + 1]))
        if (pending !== undefined) await pending
        const ending = reader.end()
        if (ending !== undefined) await ending
      } catch (error) {
        reader.abort()
        throw naming(error, id, `file ${id}`)
      }
    }
  })
}

/** The work of a thread on one object that comes in pieces. */
export class LocalFileReceiver {
  readonly #id: OstreeId
  readonly #batch: FileBatch
  readonly #inflaters = new Inflaters()
  readonly #reader: ArchiveFileReader

  constructor(store: ObjectStore, id: OstreeId) {
    this.#id = id
    // Alone in its batch, it has nothing to wait for; but what is to stay inline must be gathered.
    this.#batch = new FileBatch(store, inlineLimit(store.algorithm))
    this.#reader = new ArchiveFileReader(this.#inflaters, (headers) => this.#batch.open(id, headers))
  }

  async push(bytes: Uint8Array): Promise<void> {
    try {
      await this.#reader.push(bytes)
    } catch (error) {
      throw naming(error, this.#id, `file ${this.#id}`)
    }
  }

  async end(): Promise<StoredFiles> {
    try {
      await this.#reader.end()
      const stored = this.#batch.finish()
      this.#inflaters.close()
      return stored
    } catch (error) {
      this.abort()
      throw naming(error, this.#id, `file ${this.#id}`)
    }
  }

  /** After `end` has failed, too. */
  abort(): void {
    this.#reader.abort()
    this.#inflaters.close()
    this.#batch.dispose()
  }
}
