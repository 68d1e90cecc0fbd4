/** A store that is open: its directories, its records, and the lock on them. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { bigDataFileName } from '../../formats/cstor/big-data-name.js'
import {
  MAX_RECORDS_BYTES,
  parseImageRecords,
  parseLayerRecords,
  type ImageRecord,
  type LayerRecord,
} from '../../formats/cstor/records.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { checkStorageId } from '../../formats/cstor/storage-id.js'
import { MAX_DOCUMENT_BYTES } from '../../formats/oci/json-fields.js'
import { callError } from '../../native/libc.js'
import { openBeneath } from '../../native/open-beneath.js'
import { lockStore, type StoreLock, type StoreLockFile, type StoreLockOptions } from './store-lock.js'

/** Drivers whose stores can be read. */
type Driver = 'overlay' | 'vfs'

/** Why there is no store. */
export interface NoStore {
  readonly reason: string
  /** Whether there may be one that this user cannot read. */
  readonly denied: boolean
}

/** Descriptors. */
interface Directories {
  readonly data: number
  readonly layers: number
  readonly images: number
}

export class StorageStore {
  #directories: Directories | undefined
  #lock: StoreLock | undefined
  /** A lock file that this system cannot lock. */
  unlockable: string | undefined

  private constructor(
    /** The graphroot. */
    readonly path: string,
    readonly driver: Driver,
    directories: Directories,
  ) {
    this.#directories = directories
  }

  /** Opens the store of the first of `names`, which are drivers, that there is one of. */
  static open(path: string, names: readonly string[]): StorageStore | NoStore {
    let root: number
    try {
      root = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    } catch (error) {
      return noStore(path, errnoOf(error) ?? String(error))
    }
    try {
      let first: NoStore | undefined
      for (const driver of names.filter(isDriver)) {
        const opened = openDirectories(root, path, driver)
        if ('data' in opened) return new StorageStore(path, driver, opened)
        first ??= opened
      }
      return first ?? { reason: `${path}: no driver that can be read`, denied: false }
    } finally {
      closeSync(root)
    }
  }

  /** Shares the locks of the store, unless this holds them already. */
  async lock(options: StoreLockOptions): Promise<void> {
    this.#lock ??= await lockStore(this.#lockFiles(), options)
    this.unlockable = this.#lock.unlockable
  }

  unlock(): void {
    this.#lock?.release()
    this.#lock = undefined
  }

  readImages(): ImageRecord[] {
    const bytes = this.#read('images', 'images.json', MAX_RECORDS_BYTES) ?? Buffer.alloc(0)
    return parseImageRecords(bytes, this.#where('images', 'images.json'))
  }

  readLayers(): LayerRecord[] {
    const bytes = this.#read('layers', 'layers.json', MAX_RECORDS_BYTES) ?? Buffer.alloc(0)
    return parseLayerRecords(bytes, this.#where('layers', 'layers.json'))
  }

  /** As `readLayers`, under a lock of its own. */
  async readLayersAgain(signal?: AbortSignal): Promise<LayerRecord[]> {
    const lock = await lockStore(this.#lockFiles(), { signal })
    try {
      return this.readLayers()
    } finally {
      lock.release()
    }
  }

  /** An item of big data of an image, a document; undefined if it has none of this name. */
  readImageItem(image: string, key: string): Buffer | undefined {
    return this.#read('images', `${checkStorageId(image, 'an image id')}/${bigDataFileName(key)}`, MAX_DOCUMENT_BYTES)
  }

  /** The directory with the files of a layer, open; undefined if there is none. */
  openLayerDirectory(layer: string): number | undefined {
    const id = checkStorageId(layer, 'a layer id')
    const name = this.driver === 'vfs' ? `dir/${id}` : `${id}/diff`
    const { value, errno } = openBeneath(this.#open.data, Buffer.from(name), { directory: true })
    if (errno === undefined) return value
    if (errno === 'ENOENT') return undefined
    if (errno === 'ELOOP' || errno === 'ENOTDIR') {
      throw storageError(
        'LAYER_ADDITIONAL_STORE',
        `${this.#where('data', name)} is a link, or no directory: layers of additional layer stores cannot be read`,
        { details: { layer: id }, hint: 'pull the image from its registry' },
      )
    }
    throw this.openError(errno, this.#where('data', name))
  }

  /** Whether the files of a layer are under the names of their digests, as composefs has them. */
  isComposefsLayer(layer: string): boolean {
    if (this.driver !== 'overlay') return false
    const name = `${checkStorageId(layer, 'a layer id')}/composefs-data/composefs.blob`
    const fd = this.#openFile('data', name)
    if (fd !== undefined) closeSync(fd)
    return fd !== undefined
  }

  /** The compressed tar-split of a layer, open; undefined if there is none. */
  openTarSplit(layer: string): number | undefined {
    return this.#openFile('layers', `${checkStorageId(layer, 'a layer id')}.tar-split.gz`)
  }

  /** The error for something in the store that could not be opened. */
  openError(errno: string, path: string): SluiceError {
    if (errno !== 'EACCES' && errno !== 'EPERM') return callError('openat2', errno, `cannot open ${path}`)
    return storageError('STORE_UNREADABLE', `cannot read ${path}: permission denied`, {
      details: { path },
      hint: 'run it as root, or inside `podman unshare`',
    })
  }

  close(): void {
    this.unlock()
    for (const fd of Object.values<number>({ ...this.#directories })) closeSync(fd)
    this.#directories = undefined
  }

  get #open(): Directories {
    if (this.#directories !== undefined) return this.#directories
    throw new SluiceError('SLUICE_FAILED', `the store ${this.path} is closed`)
  }

  /** In the order in which they are to be locked. */
  #lockFiles(): StoreLockFile[] {
    return (['layers', 'images'] as const).map((kind) => {
      const name = `${kind}.lock`
      return { directory: this.#open[kind], name, path: this.#where(kind, name) }
    })
  }

  /** A regular file, open; undefined if there is none. */
  #openFile(kind: keyof Directories, name: string): number | undefined {
    const { value, errno } = openBeneath(this.#open[kind], Buffer.from(name))
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    const where = this.#where(kind, name)
    if (errno === 'ELOOP') throw storageError('STORE_CORRUPT', `${where} is a link, or behind one, and is not followed`)
    if (errno !== undefined) throw this.openError(errno, where)
    if (fstatSync(value).isFile()) return value
    closeSync(value)
    throw storageError('STORE_CORRUPT', `${where} is not a regular file`)
  }

  #read(kind: keyof Directories, name: string, limit: number): Buffer | undefined {
    const fd = this.#openFile(kind, name)
    if (fd === undefined) return undefined
    const where = this.#where(kind, name)
    try {
      const { size } = fstatSync(fd)
      if (size <= limit) return readFileSync(fd)
      throw storageError('STORE_CORRUPT', `${where} has ${size} bytes; no such file has more than ${limit}`)
    } catch (error) {
      throw ioError(error, `cannot read ${where}`)
    } finally {
      closeSync(fd)
    }
  }

  #where(kind: keyof Directories, name: string): string {
    return `${this.path}/${this.driver}${kind === 'data' ? '' : `-${kind}`}/${name}`
  }
}

function isDriver(name: string): name is Driver {
  return name === 'overlay' || name === 'vfs'
}

/** All of them, or why not. */
function openDirectories(root: number, path: string, driver: Driver): Directories | NoStore {
  const open: number[] = []
  for (const name of [driver, `${driver}-layers`, `${driver}-images`]) {
    const { value, errno } = openBeneath(root, Buffer.from(name), { directory: true })
    if (errno !== undefined) {
      open.forEach((fd) => closeSync(fd))
      return noStore(`${path}/${name}`, errno)
    }
    open.push(value)
  }
  const [data, layers, images] = open
  return { data, layers, images }
}

function noStore(path: string, errno: string): NoStore {
  if (errno === 'EACCES' || errno === 'EPERM') return { reason: `${path}: permission denied`, denied: true }
  return { reason: `${path}: ${absences[errno] ?? errno}`, denied: false }
}

const absences: Readonly<Record<string, string>> = {
  ENOENT: 'no such directory',
  ENOTDIR: 'not a directory, or a link to one',
  ELOOP: 'a link',
}
