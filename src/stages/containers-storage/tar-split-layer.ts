/** A layer of a store: its tar, put together from its tar-split and its files (containers-storage.md §2.2). */
import { closeSync } from 'node:fs'
import { cancelled, errnoOf, SluiceError } from '../../errors.js'
import { asBuffer } from '../../formats/bytes.js'
import type { ChainLayer } from '../../formats/cstor/layer-chain.js'
import { storageError, storageReason } from '../../formats/cstor/storage-error.js'
import { TarSplitReader, type TarSplitEntry } from '../../formats/cstor/tar-split.js'
import type { Digest } from '../../formats/digest.js'
import { decompress } from '../decompress/decompress.js'
import { LayerFiles } from './layer-files.js'
import { readInChunks } from './read-in-chunks.js'
import type { StorageStore } from './storage-store.js'
import { TarAssembly } from './tar-assembly.js'
import type { LayerPiece, StorageLayer } from './storage-image.js'

interface Opened {
  readonly files: LayerFiles
  readonly tarSplit: number
}

export class TarSplitLayer implements StorageLayer {
  readonly id: string
  readonly size: number | undefined
  readonly mustVerify: boolean
  readonly #store: StorageStore
  #opened: Opened | undefined
  #failure: unknown

  /** Opens the layer, whose store should be locked; what fails then is told by `pieces`. */
  constructor(
    readonly diffId: Digest,
    layer: ChainLayer,
    stores: readonly StorageStore[],
  ) {
    this.id = layer.record.id
    this.size = layer.record.diffSize
    this.mustVerify = layer.unchecked
    this.#store = stores[layer.store]
    try {
      this.#opened = openLayer(this.#store, layer, stores)
    } catch (error) {
      this.#failure = error
    }
  }

  async *pieces(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<LayerPiece> {
    try {
      if (this.#opened === undefined) throw this.#failure
      const { files, tarSplit } = this.#opened
      const tar = new TarAssembly(files, this.size)
      for await (const entries of readTarSplit(tarSplit, options)) {
        for (const entry of entries) {
          const piece = tar.take(entry)
          if (piece !== undefined) yield piece
        }
      }
      tar.finish()
    } catch (error) {
      throw await this.#explain(error, options.signal)
    }
  }

  async isVanished(signal?: AbortSignal): Promise<boolean> {
    try {
      const records = await this.#store.readLayersAgain(signal)
      return !records.some(({ id }) => id === this.id)
    } catch (error) {
      // No lock file can be made in a directory that was removed: the whole store is gone.
      if (error instanceof SluiceError && errnoOf(error.cause) === 'ENOENT') return true
      throw error
    }
  }

  close(): void {
    if (this.#opened === undefined) return
    this.#opened.files.close()
    closeSync(this.#opened.tarSplit)
    this.#opened = undefined
    this.#failure = new SluiceError('SLUICE_FAILED', `layer ${this.id} is closed`)
  }

  /** The error with the layer it is about; of what is missing, whether that is because the layer was removed. */
  async #explain(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const reason = storageReason(error)
    const missing = reason === 'LAYER_DATA_MISSING' || reason === 'LAYER_NO_TARSPLIT'
    if (missing && (await this.#isKnownVanished(signal))) {
      return storageError('LAYER_VANISHED', `layer ${this.id} was removed from containers-storage while it was read`, {
        cause: error,
        details: { layer: this.id, diffId: this.diffId },
        hint: 'pull the image into the storage again',
      })
    }
    if (missing && signal?.aborted === true) return cancelled(signal)
    const damaged = error instanceof SluiceError && error.code === 'SLUICE_COMPRESSION' ? 'TARSPLIT_CORRUPT' : reason
    if (!(error instanceof SluiceError) || damaged === undefined) return error
    const what = damaged === reason ? error.message : `tar-split ends early or is damaged: ${error.message}`
    return storageError(damaged, `layer ${this.id}: ${what}`, {
      cause: error,
      details: { ...error.details, layer: this.id, diffId: this.diffId },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }

  /** Whether it is sure that the layer was removed: what keeps one from looking is not to hide what is missing. */
  async #isKnownVanished(signal: AbortSignal | undefined): Promise<boolean> {
    return this.isVanished(signal).catch(() => false)
  }
}

function openLayer(store: StorageStore, layer: ChainLayer, stores: readonly StorageStore[]): Opened {
  const { id } = layer.record
  const where = `${store.path}/${store.driver}`
  const elsewhere = { hint: 'its tar cannot be put together again; pull the image from its registry' }
  if (store.isComposefsLayer(id)) {
    throw storageError('LAYER_COMPOSEFS', `${where} keeps it by composefs, which cannot be read`, elsewhere)
  }
  const tarSplit = store.openTarSplit(id)
  if (tarSplit === undefined) throw storageError('LAYER_NO_TARSPLIT', `no tar-split in ${where}-layers`, elsewhere)
  try {
    const directory = store.openLayerDirectory(id)
    if (directory === undefined) throw storageError('LAYER_DATA_MISSING', `it has no directory in ${where}`)
    return { tarSplit, files: new LayerFiles(directory, store, layer, stores) }
  } catch (error) {
    closeSync(tarSplit)
    throw error
  }
}

/** The entries of each inflated chunk, and of what is left at the end. */
async function* readTarSplit(fd: number, options: { readonly signal?: AbortSignal }): AsyncGenerator<TarSplitEntry[]> {
  const reader = new TarSplitReader()
  for await (const chunk of decompress(readInChunks(fd), 'gzip', options)) yield reader.push(asBuffer(chunk))
  yield reader.finish()
}
