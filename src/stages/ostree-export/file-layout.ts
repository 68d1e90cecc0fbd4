/** How each mode of a repository keeps files, and their owners, permissions and xattrs (ostree.md §2.2, §2.3, §6). */
import { chmodSync, lchownSync } from 'node:fs'
import { errnoOf, SluiceError, withContext } from '../../errors.js'
import { displayByteString, toByteString, type ByteString } from '../../formats/bytes.js'
import { writeDirmeta } from '../../formats/ostree/dirmeta.js'
import {
  isSymlink,
  writeSizedZlibHeader,
  type ArchiveFileHeader,
  type FileHeader,
} from '../../formats/ostree/file-header.js'
import type { RepositoryMode } from '../../formats/ostree/repository-config.js'
import { writeXattr } from '../../native/xattr.js'

export interface FileLayout {
  /** Whether symlinks are symlinks, and not files. */
  readonly hasSymlinks: boolean
  /** Whether contents are deflated. */
  readonly deflates: boolean
  /** What the file begins with, before the content. */
  readonly head: (header: ArchiveFileHeader) => Uint8Array
  /** Why the mode cannot hold such a file; undefined if it can. */
  readonly objection: (header: FileHeader) => string | undefined
  /** Gives the written file, whose mode is 0600, or the symlink what is kept on it. */
  readonly finish: (path: string, header: FileHeader) => void
}

const nothing = (): Uint8Array => new Uint8Array(0)
const noObjection = (): undefined => undefined

function setMode(path: string, header: FileHeader): void {
  if (!isSymlink(header)) chmodSync(path, header.mode & 0o7777)
}

function setOwner(path: string, { uid, gid }: FileHeader): void {
  try {
    lchownSync(path, uid, gid)
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error
    throw new SluiceError('SLUICE_READ_ONLY', `only root can give files to ${uid}:${gid}, as this mode needs`, {
      cause: error,
      hint: 'run this as root, or export into a repository of mode bare-user or archive',
    })
  }
}

/** No such xattrs; not on a symlink, or not by this user; a value that is none; too much of them. */
const refusals: readonly unknown[] = ['EOPNOTSUPP', 'EPERM', 'EINVAL', 'ERANGE', 'E2BIG']

function setXattr(path: string, name: ByteString, value: Uint8Array): void {
  try {
    writeXattr(path, name, value)
  } catch (error) {
    const what = `the xattr ${displayByteString(name)} of ${value.length} bytes`
    if (!(error instanceof SluiceError) || !refusals.includes(error.details['errno'])) throw withContext(error, what)
    throw new SluiceError('SLUICE_UNSUPPORTED', `the file system refuses ${what}: ${error.message}`, {
      cause: error,
      hint: 'a repository of mode archive needs none',
    })
  }
}

/** Zero bytes end names in ostree, and not on inodes: names come back with one, in order. */
function inodeXattrObjection({ xattrs }: FileHeader): string | undefined {
  let before = ''
  for (const [bytes, value] of xattrs) {
    const name = toByteString(bytes)
    if (!/^[^\0]+\0$/.test(name)) return 'has an xattr whose name does not end with its one zero byte'
    if (name <= before) return 'has xattrs that are not in the order of their names'
    if (value.length === 0) return 'has an xattr without value, which ostree does not see on a file'
    before = name
  }
  return undefined
}

/** What lchown(2) takes for "as it is". */
const NO_ID = 0xffff_ffff

function ownerObjection({ uid, gid }: FileHeader): string | undefined {
  return uid === NO_ID || gid === NO_ID ? `belongs to ${uid}:${gid}, as no file can` : undefined
}

/** Symlinks have all permissions on Linux, whatever they had in an archive. */
function symlinkObjection(header: FileHeader): string | undefined {
  const permissions = header.mode & 0o7777
  if (!isSymlink(header) || permissions === 0o777) return undefined
  return `is a symlink with the permissions 0${permissions.toString(8)}`
}

/** What libostree allows in bare-user-only, and leaves of others in bare-user. */
const PLAIN_PERMISSIONS = 0o775

function plainObjection(header: FileHeader): string | undefined {
  const { uid, gid, mode, xattrs } = header
  if (uid !== 0 || gid !== 0) return `belongs to ${uid}:${gid}`
  if (xattrs.length > 0) return 'has xattrs'
  const permissions = mode & 0o7777
  if (isSymlink(header) || (permissions & ~PLAIN_PERMISSIONS) === 0) return undefined
  return `has the permissions 0${permissions.toString(8)}`
}

/** Of objects that are not files as they were. */
export const OBJECT_MODE = 0o644

export const fileLayouts: Readonly<Record<RepositoryMode, FileLayout>> = {
  archive: {
    hasSymlinks: false,
    deflates: true,
    // Written anew: in the one that came with the file, a device number was passed over, and ostree does not do that.
    head: writeSizedZlibHeader,
    objection: noObjection,
    finish: (path) => chmodSync(path, OBJECT_MODE),
  },
  bare: {
    hasSymlinks: true,
    deflates: false,
    head: nothing,
    objection: (header) => symlinkObjection(header) ?? ownerObjection(header) ?? inodeXattrObjection(header),
    finish: (path, header) => {
      // The first, as it takes capabilities and setuid away.
      setOwner(path, header)
      for (const [name, value] of header.xattrs) setXattr(path, toByteString(name.subarray(0, -1)), value)
      setMode(path, header)
    },
  },
  'bare-user': {
    hasSymlinks: false,
    deflates: false,
    head: (header) => (isSymlink(header) ? Buffer.from(`${header.target}\0`) : nothing()),
    objection: noObjection,
    finish: (path, header) => {
      setXattr(path, 'user.ostreemeta', writeDirmeta(header))
      chmodSync(path, isSymlink(header) ? OBJECT_MODE : (header.mode & PLAIN_PERMISSIONS) | 0o400)
    },
  },
  'bare-user-only': {
    hasSymlinks: true,
    deflates: false,
    head: nothing,
    objection: (header) => plainObjection(header) ?? symlinkObjection(header),
    finish: setMode,
  },
  // Xattrs are objects of their own.
  'bare-split-xattrs': {
    hasSymlinks: true,
    deflates: false,
    head: nothing,
    objection: (header) => symlinkObjection(header) ?? ownerObjection(header),
    finish: (path, header) => {
      setOwner(path, header)
      setMode(path, header)
    },
  },
}
