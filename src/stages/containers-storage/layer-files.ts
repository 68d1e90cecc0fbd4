/** Opens the data of a layer's files, without leaving the directories of the layer and its parents (containers-storage.md §7.2). */
import { closeSync, fstatSync } from 'node:fs'
import type { ByteString } from '../../formats/bytes.js'
import type { ParentLayer } from '../../formats/cstor/layer-chain.js'
import { layerPath, showLayerPath } from '../../formats/cstor/layer-path.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import type { TarSplitFile } from '../../formats/cstor/tar-split.js'
import { libcAvailable } from '../../native/libc.js'
import { canFollowLinks } from '../../native/open-beneath.js'
import { hasXattr } from '../../native/xattr.js'
import { LayerDirectory } from './layer-directory.js'
import type { StorageStore } from './storage-store.js'
import type { OpenFile } from './storage-image.js'

const metacopyNames = ['trusted.overlay.metacopy', 'user.overlay.metacopy']

export class LayerFiles {
  readonly #store: StorageStore
  readonly #stores: readonly StorageStore[]
  readonly #parents: readonly ParentLayer[]
  /** The layer's own directory, then those of its parents that were asked for; undefined where there is none. */
  readonly #directories: (LayerDirectory | undefined)[]

  /** @param directory of the layer; closed by `close`. */
  constructor(
    directory: number,
    store: StorageStore,
    { parents }: { readonly parents: readonly ParentLayer[] },
    stores: readonly StorageStore[],
  ) {
    this.#directories = [new LayerDirectory(directory)]
    this.#store = store
    this.#stores = stores
    // With vfs, every layer has all files of its parents.
    this.#parents = store.driver === 'vfs' ? [] : parents
  }

  /**
   * The file with the data of an entry; its size is that of the entry.
   *
   * @throws SluiceError `LAYER_DATA_MISSING`, `LAYER_DATA_TYPE`, `LAYER_DATA_SIZE`, `STORE_UNREADABLE`; `TARSPLIT_CORRUPT` if its
   *   name leads out of the layer.
   */
  open({ name, size, crc64 }: TarSplitFile): OpenFile {
    const path = layerPath(name)
    if (path === undefined) {
      throw storageError(
        'TARSPLIT_CORRUPT',
        `tar-split has a name that leads nowhere in the layer: ${showLayerPath(name)}`,
      )
    }
    for (let depth = 0; depth <= this.#parents.length; depth++) {
      const fd = this.#openAt(depth, path)
      if (fd === undefined) continue
      try {
        if (checkFile(fd, size, path)) return { fd, size, path: showLayerPath(path), crc64 }
      } catch (error) {
        closeSync(fd)
        throw error
      }
      closeSync(fd)
    }
    throw storageError('LAYER_DATA_MISSING', `the data of ${showLayerPath(path)} is missing`, {
      details: { path: showLayerPath(path) },
      ...(!canFollowLinks() && {
        hint: 'it may lie behind a link to a directory, which takes native code to follow: see `sluice doctor`',
      }),
    })
  }

  close(): void {
    for (const directory of this.#directories.splice(0)) directory?.close()
  }

  /** The file in the layer's own directory (depth 0) or in that of a parent; undefined if there is none. */
  #openAt(depth: number, path: ByteString): number | undefined {
    const directory = this.#directory(depth)
    if (directory === undefined) return undefined
    const { value, errno } = directory.open(path)
    if (errno === undefined) return value
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    if (errno === 'ELOOP' || errno === 'ENXIO') throw notAFile(path)
    throw this.#store.openError(errno, showLayerPath(path))
  }

  /** Parents are opened only when they are needed: in layers of images, hardly ever. */
  #directory(depth: number): LayerDirectory | undefined {
    if (depth in this.#directories || depth === 0) return this.#directories[depth]
    const { store, id } = this.#parents[depth - 1]
    const fd = this.#stores[store].openLayerDirectory(id)
    return (this.#directories[depth] = fd === undefined ? undefined : new LayerDirectory(fd))
  }
}

/** Whether the file has data of this size; not if overlayfs keeps only its metadata here. */
function checkFile(fd: number, size: number, path: ByteString): boolean {
  const stats = fstatSync(fd)
  if (!stats.isFile()) throw notAFile(path)
  // A stub is a hole as long as the file: no other file is worth the question, 25 µs each.
  if (stats.blocks * 512 < stats.size && isStub(fd)) return false
  if (stats.size === size) return true
  const shown = showLayerPath(path)
  throw storageError('LAYER_DATA_SIZE', `${shown} has ${stats.size} bytes instead of ${size}`, {
    details: { path: shown, expected: size, actual: stats.size },
  })
}

/** Without native code, the zeros of a stub are taken for data, which its CRC-64 and the diff_id forbid. */
function isStub(fd: number): boolean {
  return libcAvailable() && metacopyNames.some((name) => hasXattr(fd, name))
}

function notAFile(path: ByteString): Error {
  const shown = showLayerPath(path)
  return storageError('LAYER_DATA_TYPE', `${shown} is not a regular file`, { details: { path: shown } })
}
