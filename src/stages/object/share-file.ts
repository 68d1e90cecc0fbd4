/**
 * Gets a file of the same host into the object store without writing its bytes: by clone, or by another name for it
 * (containers-storage.md §4.1, §4.2).
 *
 * What is stored has to be what is hashed: the clone (§4.1), or the source as long as nobody has written to it. The pages of a
 * source may be in memory, those of a clone never are: 473 MB on a loop device took 2.4 s of CPU less.
 */
import { constants, fstatSync, readFileSync, type Stats } from 'node:fs'
import { SluiceError } from '../../errors.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { fileSystemOf } from '../../native/file-system.js'
import { callError, libcAvailable } from '../../native/libc.js'
import { linkOpenFile } from '../../native/link-file.js'
import { tryCloneFile } from '../../native/reflink.js'
import { enableVerity, measureVerity } from '../../native/verity.js'
import { hasXattr } from '../../native/xattr.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { ObjectStore, WrittenFile } from '../../repository/objects.js'
import { removeQuietly } from '../../repository/remove-quietly.js'
import { isSettled, isUnwritten } from './unwritten.js'

/** Plain data, which threads send each other. */
export interface SharingPolicy {
  /** Fail where the bytes would have to be written. */
  readonly required: boolean
  /**
   * Whether an object may be another name of the file: only once fs-verity keeps the file from changing, or, `insecure`, in a
   * repository without fs-verity anyway.
   */
  readonly hardlinks: 'never' | 'sealed' | 'insecure'
}

export interface SourceFile {
  /** Open for reading. */
  readonly fd: number
  /** Bytes that it must have. */
  readonly size: number
  /** For errors. */
  readonly path: string
}

export interface SharedSource extends WrittenFile {
  /** Whether what was read of the source so far is what the clone has; the source is still open. */
  readonly isSource: () => boolean
}

/** What no other file of the same two file systems will be spared. */
const ofFileSystems = new Set(['EOPNOTSUPP', 'EXDEV', 'ENOTTY', 'ENOSYS'])
/** What one file has for itself, such as an encrypted one. */
const ofFile = new Set(['EINVAL', 'ETXTBSY'])
/** Why a file cannot get another name, where it can be copied. */
const notLinkable = new Set(['EMLINK', 'EPERM', 'EXDEV', 'ENOSYS'])

export class FileSharer {
  readonly #store: ObjectStore
  /** Why files on a device cannot be cloned, by its number. */
  readonly #uncloneable = new Map<number, string>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /**
   * Gives a temporary file of the store with the content of `source`; undefined if that takes copying.
   *
   * @throws SluiceError `SLUICE_UNSUPPORTED` if it takes copying and that is not wanted (`details.reason`
   *   `ZEROCOPY_IMPOSSIBLE`), `SLUICE_SIZE_MISMATCH` if the file has changed in size.
   */
  share(source: SourceFile, { required, hardlinks }: SharingPolicy): SharedSource | undefined {
    const stats = fstatSync(source.fd)
    const cloned = this.#clone(source, stats)
    if (typeof cloned !== 'string') return cloned
    const linked = hardlinks === 'never' ? cloned : this.#link(source, stats, hardlinks)
    if (typeof linked !== 'string') return linked
    if (required) throw this.#impossible(source, linked)
    return undefined
  }

  /** The errno name if it cannot be. */
  #clone(source: SourceFile, stats: Stats): SharedSource | string {
    const known = this.#uncloneable.get(stats.dev)
    if (known !== undefined) return known
    const { path, fd } = this.#store.temporaries.create(constants.O_WRONLY)
    const wasSettled = isSettled(stats)
    let isKept = false
    try {
      const errno = tryCloneFile(source.fd, fd)
      if (errno === undefined) {
        ensureSize(source, fstatSync(fd).size)
        isKept = true
        return { path, sharing: 'reflinked', isSource: () => wasSettled && isUnwritten(source.fd, stats) }
      }
      if (ofFileSystems.has(errno)) this.#uncloneable.set(stats.dev, errno)
      else if (!ofFile.has(errno)) throw callError('FICLONE', errno, `cannot clone ${source.path}`)
      return errno
    } finally {
      closeQuietly(fd)
      if (!isKept) removeQuietly(path)
    }
  }

  #link(source: SourceFile, stats: Stats, hardlinks: 'sealed' | 'insecure'): SharedSource | string {
    if (!isFitToLink(stats) || hasCapabilities(source.fd)) return 'EPERM'
    if (!this.#seal(source.fd) && (hardlinks !== 'insecure' || this.#store.isSecure)) return 'EOPNOTSUPP'
    const path = this.#store.temporaries.newPath()
    const errno = linkOpenFile(source.fd, path)
    if (errno === undefined) return { path, sharing: 'hardlinked', isSource: () => true }
    if (notLinkable.has(errno)) return errno
    throw callError('linkat', errno, `cannot link ${source.path}`)
  }

  /** Has the kernel keep the file as it is, and tell by the repository's algorithm what it is. */
  #seal(fd: number): boolean {
    const { algorithm } = this.#store
    const result = enableVerity(fd, algorithm)
    if (result !== 'already-enabled') return result === 'enabled'
    const measured = measureVerity(fd)
    return typeof measured !== 'string' && measured.algorithm === algorithm
  }

  #impossible({ fd, path }: SourceFile, errno: string): SluiceError {
    const from = fileSystemOf(`/proc/self/fd/${fd}`).type
    const to = fileSystemOf(this.#store.directory).type
    return new SluiceError(
      'SLUICE_UNSUPPORTED',
      `${path} cannot be stored without copying it (${errno}): from ${from} to the repository on ${to}`,
      {
        hint: 'put the repository on the same xfs or btrfs file system as the storage, or let files be copied',
        details: { reason: 'ZEROCOPY_IMPOSSIBLE', errno, from, to, path },
      },
    )
  }
}

/** @throws SluiceError `SLUICE_SIZE_MISMATCH` */
export function ensureSize({ path, size }: SourceFile, actual: number): void {
  if (actual === size) return
  throw storageError('LAYER_DATA_SIZE', `${path} has ${actual} bytes, not ${size}`, {
    details: { path, expected: size, actual },
  })
}

/** Whether nobody gets rights from a file that lies in the repository, only root writes to it, and everybody can read it. */
function isFitToLink({ mode, uid }: Stats): boolean {
  const isPlain = (mode & 0o6022) === 0 && (mode & 0o004) !== 0
  return isPlain && uid === 0 && isRealRoot()
}

/** Those of a program are as good as a set-uid bit; without native code there are no links. */
function hasCapabilities(fd: number): boolean {
  return libcAvailable() && hasXattr(fd, 'security.capability')
}

let realRoot: boolean | undefined

/** Whether this is root, and not the root of a user namespace, whose ids are others outside. */
function isRealRoot(): boolean {
  const mapsAll = () => /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  return (realRoot ??= process.getuid?.() === 0 && mapsAll())
}
