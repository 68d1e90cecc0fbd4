/** The walk over all reachable inodes behind fsck and garbage collection (erofs.md §10.4, §10.6). */
import { formatError, type SluiceError } from '../../errors.js'
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../tree/tree.js'
import { BLOCK_SIZE, FLAT_INLINE, SLOT_SIZE, stubNames } from './format.js'
import { InodeReader, type DiskInode, type DiskXattr } from './inode-reader.js'
import type { ErofsImage } from './open.js'

/** Index of `trusted.` in `xattrPrefixes`. */
export const TRUSTED_PREFIX = 4
const ESCAPED_WHITEOUT_SUFFIX = 'overlay.overlay.whiteout'

/**
 * Visits every reachable inode once, breadth first, and checks what composefs asks of its version. Anything that cannot
 * be read is an error: a list of objects with gaps would let the collector delete live ones.
 */
export function walkImage(image: ErofsImage, visit: (xattrs: readonly DiskXattr[]) => void): void {
  const reader = new InodeReader(image)
  const seen = new Uint8Array(Math.ceil(image.bytes.length / SLOT_SIZE))
  const root = reader.inode(image.rootNid)
  if ((root.mode & S_IFMT) !== S_IFDIR) throw formatError('erofs', 'the root is not a directory')
  const queue = [root]
  seen[root.nid] = 1
  for (const inode of queue) {
    const xattrs = reader.xattrs(inode)
    checkInode(image, inode, xattrs)
    visit(xattrs)
    if ((inode.mode & S_IFMT) !== S_IFDIR) continue
    const entries = reader.entries(inode)
    if (inode === root) checkStubs(image, new Set(entries.map((entry) => entry.name)))
    for (const { name, nid } of entries) {
      if (name === '.' || name === '..') continue
      const child = reader.inode(nid)
      if (image.version !== 2 && inode !== root && isWhiteoutInode(child)) {
        throw unsound(image, 'a whiteout (device 0:0) outside the root')
      }
      if (seen[nid] === 1) continue
      seen[nid] = 1
      queue.push(child)
    }
  }
}

export function isWhiteoutInode(inode: DiskInode): boolean {
  return (inode.mode & S_IFMT) === S_IFCHR && inode.union === 0
}

export function isEscapedWhiteout(xattrs: readonly DiskXattr[]): boolean {
  return xattrs.some(({ prefix, suffix }) => prefix === TRUSTED_PREFIX && suffix === ESCAPED_WHITEOUT_SUFFIX)
}

function unsound(image: ErofsImage, problem: string): SluiceError {
  return formatError('erofs', `an image of version ${image.version} with ${problem}`)
}

function checkInode(image: ErofsImage, inode: DiskInode, xattrs: readonly DiskXattr[]): void {
  const type = inode.mode & S_IFMT
  if (image.version === 2) {
    if (type === S_IFREG && isEscapedWhiteout(xattrs)) throw unsound(image, 'an escaped whiteout')
  } else if (type === S_IFLNK && inode.layout === FLAT_INLINE) {
    // Kernels before 6.12 refuse inline symlinks that cross a block boundary.
    const start = inode.nid * SLOT_SIZE
    if ((start % BLOCK_SIZE) + (inode.xattrEnd - start) + inode.tail > BLOCK_SIZE) {
      throw unsound(image, `a symlink across a block boundary (inode ${inode.nid})`)
    }
  }
}

function checkStubs(image: ErofsImage, names: ReadonlySet<string>): void {
  if (image.version === 2) return
  const missing = stubNames.filter((name) => !names.has(name))
  if (missing.length > 0) {
    throw unsound(image, `${missing.length} of the 256 names 00 to ff missing in the root, first ${missing[0]}`)
  }
}
