/** Files of a repository at a URL into the object store (ostree.md §3.4). */
import { setMaxListeners } from 'node:events'
import { SluiceError, withContext } from '../../errors.js'
import { copyBytes } from '../../formats/bytes.js'
import { ostreeObjectPath } from '../../formats/ostree/object-type.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { runAll } from '../../flow/run-all.js'
import { SLAB_BYTES, type Slab } from '../slab/slab-pool.js'
import type { FileReceiver, StoreFilesOptions } from './file-workers.js'
import type { RemoteClient } from './remote-client.js'
import { SlabCollector } from './slab-collector.js'
import type { OstreeEngine } from './source.js'

/** Requests at a time; the time from a request to its answer counts less the more there are. */
const REQUESTS = 48
/** An object that is no longer waits until it is whole, in memory that is used again: 12 MiB for all requests. */
const MAX_WHOLE = 256 * 1024

export async function fetchFiles(
  client: RemoteClient,
  ids: readonly OstreeId[],
  engine: OstreeEngine,
  options: StoreFilesOptions,
): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  // Every request listens to it, and there are more than ten.
  setMaxListeners(0, signal)
  const collector = new SlabCollector(engine, { signal, onStored: options.onStored })
  const fetch = new FileFetch(client, engine, { ...options, signal }, collector)
  try {
    await runAll(ids, REQUESTS, async (id) => {
      try {
        await fetch.file(id)
      } catch (error) {
        // What it breaks off fails after it, and `runAll` throws the first failure.
        failed.abort()
        throw error
      }
    })
    await collector.end()
  } finally {
    await collector.settled()
  }
}

class FileFetch {
  readonly #client: RemoteClient
  readonly #engine: OstreeEngine
  readonly #options: StoreFilesOptions
  readonly #collector: SlabCollector
  /** Memory for an object each, of requests that have ended. */
  readonly #rooms: Buffer[] = []

  constructor(client: RemoteClient, engine: OstreeEngine, options: StoreFilesOptions, collector: SlabCollector) {
    this.#client = client
    this.#engine = engine
    this.#options = options
    this.#collector = collector
  }

  async file(id: OstreeId): Promise<void> {
    const room = this.#rooms.pop() ?? Buffer.allocUnsafeSlow(MAX_WHOLE)
    try {
      await this.#client.retrying(this.#options.signal, (client) => this.#receive(client, id, room))
    } finally {
      this.#rooms.push(room)
    }
  }

  async #receive(client: RemoteClient, id: OstreeId, room: Buffer): Promise<void> {
    const { signal, onProgress, onStored } = this.#options
    let length = 0
    let large: LargeTransfer | undefined
    const takePiece = (piece: Uint8Array): Promise<void> | undefined => {
      onProgress(piece.length)
      if (large !== undefined) return large.write(piece)
      if (length + piece.length <= MAX_WHOLE) {
        room.set(piece, length)
        length += piece.length
        return undefined
      }
      large = new LargeTransfer(this.#engine, id, signal)
      return large.writeBoth(room.subarray(0, length), piece)
    }
    try {
      await client.receive(ostreeObjectPath(id, 'filez').split('/'), signal, takePiece)
      if (large !== undefined) onStored([id], await large.end())
    } catch (error) {
      await large?.abort()
      throw error instanceof SluiceError && error.code === 'SLUICE_CANCELLED' ? error : withContext(error, `file ${id}`)
    }
    // What this fails of is another file's trouble, too.
    if (large === undefined) await this.#collector.add(id, room.subarray(0, length))
  }
}

/** An object that goes to a thread slab by slab. */
class LargeTransfer {
  readonly #engine: OstreeEngine
  readonly #signal: AbortSignal
  readonly #receiver: FileReceiver
  #slab: Slab | undefined
  #pushed: Promise<unknown> = Promise.resolve()

  constructor(engine: OstreeEngine, id: OstreeId, signal: AbortSignal) {
    this.#engine = engine
    this.#signal = signal
    this.#receiver = engine.workers.archivedFile(id)
  }

  /** Takes the next piece; a promise where it has to wait for a slab or a thread. */
  write(piece: Uint8Array): Promise<void> | undefined {
    this.#slab ??= this.#engine.slabs.tryTake()
    const slab = this.#slab
    const room = slab === undefined ? 0 : SLAB_BYTES - slab.length
    if (slab === undefined || piece.length >= room) return this.#writeWaiting(piece)
    copyBytes(slab.room.bytes, piece, slab.length)
    slab.length += piece.length
    return undefined
  }

  async writeBoth(first: Uint8Array, second: Uint8Array): Promise<void> {
    await this.write(first)
    await this.write(second)
  }

  async #writeWaiting(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      this.#slab ??= await this.#engine.slabs.take(this.#signal)
      const slab = this.#slab
      const end = Math.min(piece.length, at + SLAB_BYTES - slab.length)
      copyBytes(slab.room.bytes, piece.subarray(at, end), slab.length)
      slab.length += end - at
      at = end
      if (slab.length === SLAB_BYTES) await this.#push()
    }
  }

  async end(): ReturnType<FileReceiver['end']> {
    await this.#push()
    await this.#pushed
    return this.#receiver.end()
  }

  /** Waits until no thread uses its memory. */
  async abort(): Promise<void> {
    await this.#pushed.catch(() => undefined)
    if (this.#slab !== undefined) this.#engine.slabs.give(this.#slab)
    this.#slab = undefined
    this.#receiver.abort()
  }

  /** Hands on what is filled; throws what became of the slab before, so that one is under way while the next is filled. */
  async #push(): Promise<void> {
    const slab = this.#slab
    this.#slab = undefined
    const before = this.#pushed
    if (slab !== undefined) {
      this.#pushed = Promise.all([before, this.#receiver.push(slab).finally(() => this.#engine.slabs.give(slab))])
      this.#pushed.catch(() => undefined)
    }
    await before
  }
}
