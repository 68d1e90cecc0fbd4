/** The two lock files of a store, shared while its records are read (containers-storage.md §1.4). */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { recordLock } from '../../native/record-lock.js'

export interface StoreLockFile {
  /** The open directory that it is in. */
  readonly directory: number
  readonly name: string
  /** For errors. */
  readonly path: string
}

export interface StoreLockOptions {
  readonly signal?: AbortSignal | undefined
  /** Told the path of a file that another process has locked, and that is waited for. */
  readonly onWait?: ((path: string) => void) | undefined
}

export interface StoreLock {
  /** The path of a file that this system cannot lock. */
  readonly unlockable: string | undefined
  release(): void
}

/** A podman command holds a lock for seconds at most, unless it removes very large layers. */
const TIMEOUT_MS = 60_000

/**
 * Locks the files in their order, which must be that of the Go library: layers, then images.
 *
 * @throws SluiceError `STORE_LOCKED` if another process holds one for longer than `timeoutMs`; `SLUICE_CANCELLED`.
 */
export async function lockStore(
  files: readonly StoreLockFile[],
  { timeoutMs = TIMEOUT_MS, signal, onWait }: StoreLockOptions & { readonly timeoutMs?: number } = {},
): Promise<StoreLock> {
  const open: number[] = []
  const release = (): void => open.splice(0).forEach((fd) => closeSync(fd))
  let unlockable: string | undefined
  try {
    for (const file of files) {
      const fd = openLockFile(file)
      if (fd === undefined) continue
      open.push(fd)
      const result = await recordLock(fd, { timeoutMs, signal, onWait: () => onWait?.(file.path) })
      if (result === 'unsupported') unlockable = file.path
      if (result !== 'busy') continue
      throw storageError(
        'STORE_LOCKED',
        `${file.path} is locked by another process (waited ${Math.round(timeoutMs / 1000)} s)`,
        { retryable: true, hint: 'wait until podman, buildah or skopeo has ended, and run the same command again' },
      )
    }
  } catch (error) {
    release()
    throw error
  }
  return { unlockable, release }
}

// Of a store on read-only media, or of somebody else: nothing to lock, and nobody who would.
const readOnly: ReadonlySet<string | undefined> = new Set(['EROFS', 'EACCES', 'EPERM'])

function openLockFile({ directory, name, path }: StoreLockFile): number | undefined {
  const file = `/proc/self/fd/${directory}/${name}`
  // A lock file that root made would lock out the owner of the store.
  const isOurs = fstatSync(directory).uid === process.geteuid?.()
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | (isOurs ? constants.O_CREAT : 0)
  try {
    return openSync(file, flags, 0o644)
  } catch (error) {
    const errno = errnoOf(error)
    if (readOnly.has(errno) || (errno === 'ENOENT' && !isOurs)) return undefined
    throw ioError(error, `cannot open ${path}`)
  }
}
