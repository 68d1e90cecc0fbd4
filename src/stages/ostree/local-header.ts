/** The header of a file in a repository that keeps files as files: from its inode, and where the mode puts the rest (ostree.md §2.3). */
import { closeSync, constants, readlinkSync } from 'node:fs'
import { formatError, naming } from '../../errors.js'
import { fromByteString } from '../../formats/bytes.js'
import { readOwnership, type Ownership } from '../../formats/ostree/dirmeta.js'
import { checkFileHeader, isSymlink, type ArchiveFileHeader } from '../../formats/ostree/file-header.js'
import { FileIdHasher } from '../../formats/ostree/file-id.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { RepositoryMode } from '../../formats/ostree/repository-config.js'
import { readXattrs, sortXattrs, type OstreeXattrs } from '../../formats/ostree/xattrs.js'
import { listXattrs, readXattr } from '../../native/xattr.js'
import { openFile, readPieces } from './bare-file.js'
import { readLocalFile } from './local-file.js'
import { findLocalObject, type LocalObject, type LocalRepository } from './local-repository.js'

/** Longest target of a symlink that bare-user keeps as content (PATH_MAX), and the zero byte behind it. */
const MAX_TARGET = 4097
/** More xattrs than an inode can have. */
const MAX_XATTRS_FILE = 16 * 1024 * 1024
const READ_BYTES = 1024 * 1024

type Describe = (object: LocalObject, repository: LocalRepository, id: OstreeId) => Ownership

const ownershipOf: Readonly<Record<Exclude<RepositoryMode, 'archive'>, Describe>> = {
  bare: ({ path, stats: { uid, gid, mode } }) => ({ uid, gid, mode, xattrs: inodeXattrs(path) }),
  'bare-user': ({ path }) => {
    const meta = readXattr(path, 'user.ostreemeta')
    if (meta === undefined) throw formatError('bare-user', `${path} has no xattr user.ostreemeta`)
    return readOwnership(meta)
  },
  'bare-user-only': ({ stats: { mode } }) => ({ uid: 0, gid: 0, mode, xattrs: [] }),
  'bare-split-xattrs': ({ stats: { uid, gid, mode } }, repository, id) => ({
    uid,
    gid,
    mode,
    xattrs: splitXattrs(repository, id),
  }),
}

/** The zlib header that the object would have in an archive. */
export function localFileHeader(object: LocalObject, repository: LocalRepository, id: OstreeId): ArchiveFileHeader {
  if (object.mode === 'archive') throw new TypeError('files of archives have their own headers')
  const ownership = ownershipOf[object.mode](object, repository, id)
  const symlink = isSymlink(ownership)
  const header = {
    ...ownership,
    target: symlink ? symlinkTarget(object) : '',
    size: symlink ? 0 : object.stats.size,
  }
  checkFileHeader(header)
  if (!symlink && !object.stats.isFile()) throw formatError(object.mode, `${object.path} is not a regular file`)
  return inHashedOrder(header, object, id)
}

/** Xattrs are hashed as they are stored; but some versions of ostree stored them unsorted and hashed them sorted (§2.3). */
function inHashedOrder(header: ArchiveFileHeader, { path }: LocalObject, id: OstreeId): ArchiveFileHeader {
  const xattrs = sortXattrs(header.xattrs)
  if (xattrs.every((xattr, i) => xattr === header.xattrs[i])) return header
  const hasher = new FileIdHasher(header)
  if (!isSymlink(header)) hashFile(path, hasher)
  return hasher.digest() === id ? header : { ...header, xattrs }
}

function hashFile(path: string, hasher: FileIdHasher): void {
  const fd = openFile(path)
  try {
    for (const piece of readPieces(fd, Buffer.allocUnsafe(READ_BYTES))) hasher.update(piece)
  } finally {
    closeSync(fd)
  }
}

function symlinkTarget({ path, stats }: LocalObject): string {
  const bytes = stats.isSymbolicLink() ? readlinkSync(path, 'buffer') : targetInFile(path, stats.size)
  const target = bytes.toString('utf8')
  if (!Buffer.from(target).equals(bytes)) throw formatError('ostree', `the target of symlink ${path} is not UTF-8`)
  return target
}

function targetInFile(path: string, size: number): Buffer {
  if (size > MAX_TARGET) throw formatError('bare-user', `${path} is a symlink with a target of ${size} bytes`)
  const bytes = readLocalFile(path, MAX_TARGET)
  return bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes
}

function inodeXattrs(path: string): OstreeXattrs {
  return listXattrs(path).map((name) => [fromByteString(`${name}\0`), readXattr(path, name) ?? Buffer.alloc(0)])
}

function splitXattrs(repository: LocalRepository, id: OstreeId): OstreeXattrs {
  const { path } = findLocalObject(repository, id, 'file-xattrs-link')
  try {
    return readXattrs(readLocalFile(path, MAX_XATTRS_FILE, constants.O_NOFOLLOW))
  } catch (error) {
    throw naming(error, path)
  }
}
