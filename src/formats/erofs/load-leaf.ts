/** What a non-directory of an image is, with the overlay encoding undone (erofs.md §10.5). */
import type { ByteString } from '../bytes.js'
import { objectIdFromPath, objectPath, type HashAlgorithm, type ObjectId } from '../digest.js'
import { formatError } from '../../errors.js'
import {
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  noXattrs,
  type LeafContent,
  type Stat,
} from '../tree/tree.js'
import {
  CHUNK_BASED,
  ESCAPED_OVERLAY_PREFIX,
  MAX_FILE_SIZE,
  MAX_INLINE,
  MAX_SYMLINK,
  METACOPY,
  OVERLAY_PREFIX,
  REDIRECT,
  USER_OVERLAY_PREFIX,
  xattrPrefixes,
  type ErofsVersion,
} from './format.js'
import type { DiskInode, DiskXattr, InodeReader } from './inode-reader.js'
import { parseMetacopy } from './metacopy.js'
import { isEscapedWhiteout } from './walk-image.js'

const markers = new Set(['whiteout', 'whiteouts', 'opaque'])

/** The key of `xattr` before the writer escaped it; undefined for what the writer or overlayfs added. */
function originalKey(key: ByteString): ByteString | undefined {
  if (key.startsWith(ESCAPED_OVERLAY_PREFIX)) {
    const rest = key.slice(ESCAPED_OVERLAY_PREFIX.length)
    return markers.has(rest) ? undefined : OVERLAY_PREFIX + rest
  }
  if (key.startsWith(OVERLAY_PREFIX)) return undefined
  return key.startsWith(USER_OVERLAY_PREFIX) && markers.has(key.slice(USER_OVERLAY_PREFIX.length)) ? undefined : key
}

function keyOf({ prefix, suffix }: DiskXattr): ByteString {
  return xattrPrefixes[prefix] + suffix
}

/** The reference tool leaves the zero byte at the end of names that come from ostree (ostree.md §5.2). */
const usableKey = /^[^\0]+\0?$/

/** Metadata of an inode, with the xattrs that its tree had. */
export function loadStat(inode: DiskInode, xattrs: readonly DiskXattr[]): Stat {
  const { mode, uid, gid, mtime, mtimeNsec } = inode
  if (mtimeNsec >= 1e9) throw formatError('erofs', `${mtimeNsec} nanoseconds in an mtime`)
  if (xattrs.length === 0) return { mode: mode & 0o7777, uid, gid, mtime, mtimeNsec, xattrs: noXattrs }
  const original = new Map<ByteString, ByteString>()
  for (const xattr of xattrs) {
    const key = originalKey(keyOf(xattr))
    if (key !== undefined && !usableKey.test(key)) throw formatError('erofs', 'an xattr without a usable key')
    if (key !== undefined) original.set(key, xattr.value)
  }
  return { mode: mode & 0o7777, uid, gid, mtime, mtimeNsec, xattrs: original.size === 0 ? noXattrs : original }
}

export interface LoadLeafOptions {
  readonly version: ErofsVersion
  /** The algorithm whose digests are accepted; undefined accepts either. */
  readonly algorithm: HashAlgorithm | undefined
}

/** Type and content of a leaf. */
export function loadContent(
  inode: DiskInode,
  xattrs: readonly DiskXattr[],
  reader: InodeReader,
  options: LoadLeafOptions,
): LeafContent {
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
      return isEscapedWhiteout(xattrs) ? { type: 'chr', rdev: 0 } : loadRegular(inode, xattrs, reader, options)
    case S_IFLNK:
      return { type: 'symlink', target: loadTarget(inode, reader, options.version) }
    case S_IFCHR:
      return { type: 'chr', rdev: inode.union }
    case S_IFBLK:
      return { type: 'blk', rdev: inode.union }
    case S_IFIFO:
      return { type: 'fifo' }
    case S_IFSOCK:
      return { type: 'sock' }
    default:
      throw formatError('erofs', `unknown file type 0${(inode.mode & S_IFMT).toString(8)}`)
  }
}

function loadTarget(inode: DiskInode, reader: InodeReader, version: ErofsVersion): ByteString {
  const limit = version === 2 ? MAX_SYMLINK.epoch2 : MAX_SYMLINK.epoch1
  if (inode.size > limit) {
    throw formatError('erofs', `a symlink target of ${inode.size} bytes (${limit} are possible in V${version})`)
  }
  const target = reader.data(inode).toString('latin1')
  if (target.includes('\0')) throw formatError('erofs', 'NUL in a symlink target')
  return target
}

function loadRegular(
  inode: DiskInode,
  xattrs: readonly DiskXattr[],
  reader: InodeReader,
  { version, algorithm }: LoadLeafOptions,
): LeafContent {
  const { size } = inode
  // A hostile image may have either several times; as in the reference, the first one that says something counts.
  const metacopy = xattrs.find((xattr) => keyOf(xattr) === METACOPY && xattr.value !== '')?.value
  const id = metacopy === undefined ? undefined : metacopyDigest(metacopy, algorithm)
  const object = xattrs
    .filter((xattr) => keyOf(xattr) === REDIRECT)
    .map(({ value }) => redirectObject(value, algorithm))
    .find((path) => path !== undefined)
  const external = id !== undefined || object !== undefined || inode.layout === CHUNK_BASED
  if (external && size > MAX_FILE_SIZE) throw formatError('erofs', 'a file larger than 2^53 bytes')
  if (id !== undefined) return { type: 'external', id, size }
  if (object !== undefined) return { type: 'external-no-verity', path: objectPath(object), size }
  if (external) return { type: 'sparse', size }
  if (version === 2 && size > MAX_INLINE.epoch2) {
    throw formatError('erofs', `an inline file of ${size} bytes (limit ${MAX_INLINE.epoch2} in V2)`)
  }
  return { type: 'inline', data: reader.data(inode) }
}

function algorithmsOf(algorithm: HashAlgorithm | undefined): readonly HashAlgorithm[] {
  return algorithm === undefined ? ['sha256', 'sha512'] : [algorithm]
}

function metacopyDigest(value: ByteString, algorithm: HashAlgorithm | undefined): ObjectId {
  for (const candidate of algorithmsOf(algorithm)) {
    const id = parseMetacopy(value, candidate)
    if (id !== undefined) return id
  }
  throw formatError('erofs', `a malformed ${METACOPY} value (${value.length} bytes), or one of another algorithm`)
}

function redirectObject(value: ByteString, algorithm: HashAlgorithm | undefined): ObjectId | undefined {
  const path = value.replace(/^\//, '')
  return algorithmsOf(algorithm)
    .map((candidate) => objectIdFromPath(candidate, path))
    .find((id) => id !== undefined)
}
