/** Splits the xattrs of inodes into shared and local ones (erofs.md §5.1, §5.5). */
import { compareByteStrings } from '../bytes.js'
import { formatError } from '../../errors.js'
import { XATTR_HEADER_SIZE, type ErofsVersion } from './format.js'
import type { Inode } from './inode.js'
import type { Xattr } from './xattr.js'
import type { XattrPool } from './xattr-pool.js'

/** Of the C writer; its further sharable pairs are written locally. */
const MAX_SHARED_EPOCH1 = 128
/** The count is one byte. */
const MAX_SHARED = 255

/** The entries of the shared table in order, and its length in bytes. */
export interface SharedTable {
  readonly entries: readonly Xattr[]
  readonly size: number
}

/** Lays out the table of pairs that several inodes have. */
export function shareXattrs(inodes: readonly Inode[], version: ErofsVersion, pool: XattrPool): SharedTable {
  for (const inode of inodes) {
    for (const xattr of inode.xattrs) xattr.uses++
  }
  const entries = pool.reused().sort(version === 2 ? compareEpoch2 : compareEpoch1)
  let size = 0
  for (const xattr of entries) {
    xattr.tableOffset = size
    size += xattr.entrySize
  }
  return { entries, size }
}

/** Fixes the xattr area of an inode that has xattrs: which are references to the table, and how many bytes there are. */
export function measureXattrs(inode: Inode, version: ErofsVersion): void {
  const limit = version === 2 ? Number.POSITIVE_INFINITY : MAX_SHARED_EPOCH1
  let shared = 0
  let size = XATTR_HEADER_SIZE
  for (const xattr of inode.xattrs) {
    if (xattr.uses > 1 && shared < limit) {
      shared++
      size += 4
    } else {
      size += xattr.entrySize
    }
  }
  if (shared > MAX_SHARED) throw formatError('erofs', `an inode with ${shared} shared xattrs (limit ${MAX_SHARED})`)
  if (xattrCount(size) > 0xffff) throw formatError('erofs', `an inode with ${size} bytes of xattrs (limit 262148)`)
  inode.sharedCount = shared
  inode.xattrAreaSize = size
}

/** i_xattr_icount of an area of `size` bytes. */
export function xattrCount(size: number): number {
  return size === 0 ? 0 : (size - XATTR_HEADER_SIZE) / 4 + 1
}

/** Descending by key, then length of the value, then value. */
function compareEpoch1(a: Xattr, b: Xattr): number {
  const byKey = a.name === b.name ? 0 : compareByteStrings(b.name.key, a.name.key)
  return byKey || b.valueLength - a.valueLength || b.compareValue(a)
}

/** Ascending by prefix index, suffix, value. */
function compareEpoch2(a: Xattr, b: Xattr): number {
  const byName =
    a.name === b.name ? 0 : a.name.prefix - b.name.prefix || compareByteStrings(a.name.suffix, b.name.suffix)
  return byName || a.compareValue(b)
}
