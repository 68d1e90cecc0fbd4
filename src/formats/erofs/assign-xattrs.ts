/** Which xattrs each inode really gets (erofs.md §5.3, §5.6, §5.7). */
import { compareByteStrings, type ByteString } from '../bytes.js'
import type { LeafContent } from '../tree/tree.js'
import {
  ESCAPED_OVERLAY_PREFIX,
  METACOPY,
  OPAQUE,
  OVERLAY_PREFIX,
  USER_OVERLAY_PREFIX,
  type ErofsVersion,
} from './format.js'
import type { Inode } from './inode.js'
import type { Survey } from './survey.js'
import type { Xattr } from './xattr.js'
import type { XattrPool } from './xattr-pool.js'

/** Fills `xattrs` of all inodes, in the order in which they are written; in epoch 1 it also escapes the whiteouts. */
export function assignXattrs({ inodes, whiteouts }: Survey, version: ErofsVersion, pool: XattrPool): void {
  for (const inode of inodes) {
    if (inode.isExternal || inode.stat.xattrs.size > 0) inode.xattrs = initialXattrs(inode, version, pool)
  }
  if (version === 2) return
  for (const inode of whiteouts) {
    inode.escapeWhiteout()
    addMarkers(inode, 'whiteout', '', pool)
    addMarkers(inode.parent, 'whiteouts', '', pool)
    if (version === 1) addMarkers(inode.parent, 'opaque', 'x', pool)
  }
  const root = inodes[0]
  root.xattrs = [...root.xattrs, pool.get(OPAQUE, 'y')].sort(byKey)
}

/**
 * Overlay xattrs of external files, then the inode's own by key, those that overlayfs would interpret one level deeper; in
 * epoch 1 all together by key.
 */
function initialXattrs(inode: Inode, version: ErofsVersion, pool: XattrPool): readonly Xattr[] {
  const overlay = inode.isExternal ? overlayXattrs(inode.content, pool) : []
  const own = inode.stat.xattrs
  if (own.size === 0) return overlay
  const keys = [...own.keys()].sort()
  const xattrs = [...overlay, ...keys.map((key) => pool.get(escaped(key), own.get(key)!))]
  return version === 2 ? xattrs : xattrs.sort(byKey)
}

function escaped(key: ByteString): ByteString {
  return key.startsWith(OVERLAY_PREFIX) ? ESCAPED_OVERLAY_PREFIX + key.slice(OVERLAY_PREFIX.length) : key
}

/** Metacopy always, redirect if a backing path is known. */
function overlayXattrs(content: LeafContent | undefined, pool: XattrPool): readonly Xattr[] {
  if (content?.type === 'external') {
    const both = pool.object(content.id)
    if (content.path === undefined) return both
    return content.path === '' ? [both[0]] : [both[0], pool.redirect(content.path)]
  }
  const metacopy = pool.get(METACOPY, '')
  return content?.type === 'external-no-verity' ? [metacopy, pool.redirect(content.path)] : [metacopy]
}

/** A marker in the two forms that nested overlayfs mounts read. It replaces a user's value of the same key. */
function addMarkers(inode: Inode, marker: string, value: ByteString, pool: XattrPool): void {
  const added = [pool.get(ESCAPED_OVERLAY_PREFIX + marker, value), pool.get(USER_OVERLAY_PREFIX + marker, value)]
  const kept = inode.xattrs.filter((xattr) => added.every((other) => other.name !== xattr.name))
  inode.xattrs = [...kept, ...added].sort(byKey)
}

/** Keys of one inode are unique. */
function byKey(a: Xattr, b: Xattr): number {
  return compareByteStrings(a.name.key, b.name.key)
}
