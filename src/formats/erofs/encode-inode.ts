/** Writes placed inodes: header, xattr area, data (erofs.md §3.1, §3.2, §5.1). */
import { S_IFBLK, S_IFCHR } from '../tree/tree.js'
import { encodeDirectory } from './directory-groups.js'
import { BLOCK_SIZE, CHUNK_BASED, SLOT_SIZE, XATTR_HEADER_SIZE, type ErofsVersion } from './format.js'
import type { Image } from './image.js'
import type { Inode } from './inode.js'
import { xattrCount } from './share-xattrs.js'

/** Entry of a chunk table. */
const NO_BLOCK = 0xffffffff

export interface InodeContext {
  readonly version: ErofsVersion
  /** Shared ids count 4-byte units from the xattr base to the table. */
  readonly tableId: number
}

/** `index` is the place in write order, which is i_ino in epoch 1. */
export function encodeInode(inode: Inode, index: number, image: Image, { version, tableId }: InodeContext): void {
  const { view } = image
  const { position: at, stat, size, nlink } = inode
  const epoch2 = version === 2
  view.setUint16(at, inode.layout * 2 + (inode.extended ? 1 : 0), true)
  view.setUint16(at + 2, xattrCount(inode.xattrAreaSize), true)
  view.setUint16(at + 4, inode.type | (stat.mode & 0o7777), true)
  view.setUint32(at + 16, unionField(inode), true)
  view.setUint32(at + 20, epoch2 ? at / SLOT_SIZE : index, true)
  if (inode.extended) {
    view.setUint32(at + 8, size % 2 ** 32, true)
    view.setUint32(at + 12, Math.floor(size / 2 ** 32), true)
    view.setUint32(at + 24, stat.uid, true)
    view.setUint32(at + 28, stat.gid, true)
    view.setBigInt64(at + 32, stat.mtime, true)
    view.setUint32(at + 40, epoch2 ? 0 : stat.mtimeNsec, true)
    view.setUint32(at + 44, nlink, true)
  } else {
    view.setUint16(at + 6, nlink, true)
    view.setUint32(at + 8, size, true)
    view.setUint16(at + 24, stat.uid, true)
    view.setUint16(at + 26, stat.gid, true)
  }
  if (inode.xattrAreaSize > 0) encodeXattrArea(inode, image, tableId)
  if (size > 0) encodeData(inode, image)
}

/** i_u: device number, chunk format or first block. */
function unionField(inode: Inode): number {
  const { content, type } = inode
  if ((type === S_IFCHR || type === S_IFBLK) && content !== undefined && 'rdev' in content) return Number(content.rdev)
  // The chunk format overwrites the low half of the block number of a promoted chunk table.
  if (inode.layout === CHUNK_BASED) return ((inode.firstBlock & 0xffff0000) | inode.chunkFormat) >>> 0
  return inode.firstBlock
}

function encodeXattrArea(inode: Inode, image: Image, tableId: number): void {
  const { view } = image
  let at = inode.tailPosition - inode.xattrAreaSize
  let filter = 0xffffffff
  for (const xattr of inode.xattrs) filter &= ~(1 << xattr.name.filterBit)
  view.setUint32(at, filter, true)
  view.setUint8(at + 4, inode.sharedCount)
  let reference = at + XATTR_HEADER_SIZE
  const localStart = reference + 4 * inode.sharedCount
  at = localStart
  for (const xattr of inode.xattrs) {
    if (xattr.uses > 1 && reference < localStart) {
      view.setUint32(reference, tableId + xattr.tableOffset / 4, true)
      reference += 4
    } else {
      at = xattr.write(image, at)
    }
  }
}

function encodeData(inode: Inode, image: Image): void {
  const { bytes, view } = image
  const { content, blocks, tail, tailPosition } = inode
  const blockStart = inode.firstBlock * BLOCK_SIZE
  if (content === undefined) {
    encodeDirectory(inode, image)
  } else if (inode.chunks > 0) {
    const [start, length] = blocks > 0 ? [blockStart, BLOCK_SIZE] : [tailPosition, tail]
    for (let at = start; at < start + length; at += 4) view.setUint32(at, NO_BLOCK, true)
  } else if (content.type === 'symlink') {
    bytes.write(content.target, blocks > 0 ? blockStart : tailPosition, 'latin1')
  } else if (content.type === 'inline') {
    const inBlocks = inode.size - tail
    if (inBlocks > 0) bytes.set(content.data.subarray(0, inBlocks), blockStart)
    bytes.set(inBlocks > 0 ? content.data.subarray(inBlocks) : content.data, tailPosition)
  }
}
