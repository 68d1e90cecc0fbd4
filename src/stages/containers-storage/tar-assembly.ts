/** The tar of a layer, piece by piece, as its tar-split tells (containers-storage.md §2.2). */
import { storageError } from '../../formats/cstor/storage-error.js'
import type { TarSplitEntry } from '../../formats/cstor/tar-split.js'
import type { LayerFiles } from './layer-files.js'
import type { LayerPiece } from './storage-image.js'

/** A file has a header of 512 bytes, in a segment before it; a few more entries do no harm. */
const ENTRIES_PER_BLOCK = 2
const SPARE_ENTRIES = 1024

export class TarAssembly {
  readonly #files: LayerFiles
  readonly #size: number | undefined
  readonly #mostEntries: number
  #entries = 0
  #total = 0

  /** @param size bytes of the tar, if they are known. */
  constructor(files: LayerFiles, size: number | undefined) {
    this.#files = files
    this.#size = size
    this.#mostEntries = size === undefined ? Infinity : (size / 512) * ENTRIES_PER_BLOCK + SPARE_ENTRIES
  }

  /** What the entry adds to the tar, if anything. */
  take(entry: TarSplitEntry): LayerPiece | undefined {
    const length = entry.type === 'segment' ? entry.bytes.length : entry.size
    this.#total += length
    // A few bytes of gzip inflate to as many lines as one likes.
    if (this.#total > (this.#size ?? Infinity) || ++this.#entries > this.#mostEntries) {
      throw storageError('TARSPLIT_CORRUPT', `tar-split gives more than the ${this.#size} bytes of the layer`)
    }
    if (length === 0) return undefined
    return entry.type === 'segment' ? { bytes: entry.bytes } : { file: this.#files.open(entry) }
  }

  finish(): void {
    if (this.#size === undefined || this.#total === this.#size) return
    const what = `it gives ${this.#total} of the ${this.#size} bytes of the layer`
    throw storageError('TARSPLIT_CORRUPT', `tar-split ends early: ${what}`)
  }
}
