/** Writes placed inodes: header, xattr area, data (erofs.md §3.1, §3.2, §5.1). */
import { S_IFBLK, S_IFCHR } from '../tree/tree.js'
import { encodeDirectory } from './directory-groups.js'
import { BLOCK_SIZE, CHUNK_BASED, SLOT_SIZE, XATTR_ENTRY_HEADER_SIZE, XATTR_HEADER_SIZE } from './format.js'
import type { Inode } from './inode.js'
import { xattrCount } from './share-xattrs.js'
import type { Xattr } from './xattr-pool.js'

export interface InodeContext {
  readonly image: Buffer
  readonly epoch2: boolean
  /** Shared ids count 4-byte units from the xattr base to the table. */
  readonly tableId: number
}

/** `index` is the place in write order, which is i_ino in epoch 1. */
export function encodeInode(inode: Inode, index: number, context: InodeContext): void {
  const { image, epoch2 } = context
  const at = inode.position
  const mode = inode.type | (inode.stat.mode & 0o7777)
  const ino = epoch2 ? at / SLOT_SIZE : index
  image.writeUInt16LE(inode.layout * 2 + (inode.extended ? 1 : 0), at)
  image.writeUInt16LE(xattrCount(inode.xattrAreaSize), at + 2)
  image.writeUInt16LE(mode, at + 4)
  image.writeUInt32LE(ino, at + 20)
  image.writeUInt32LE(unionField(inode), at + 16)
  if (inode.extended) {
    image.writeUInt32LE(inode.size % 2 ** 32, at + 8)
    image.writeUInt32LE(Math.floor(inode.size / 2 ** 32), at + 12)
    image.writeUInt32LE(inode.stat.uid, at + 24)
    image.writeUInt32LE(inode.stat.gid, at + 28)
    image.writeBigInt64LE(inode.stat.mtime, at + 32)
    image.writeUInt32LE(epoch2 ? 0 : inode.stat.mtimeNsec, at + 40)
    image.writeUInt32LE(inode.nlink, at + 44)
  } else {
    image.writeUInt16LE(inode.nlink, at + 6)
    image.writeUInt32LE(inode.size, at + 8)
    image.writeUInt16LE(inode.stat.uid, at + 24)
    image.writeUInt16LE(inode.stat.gid, at + 26)
  }
  if (inode.xattrAreaSize > 0) encodeXattrArea(inode, context)
  if (inode.size > 0) encodeData(inode, image)
}

/** i_u: device number, chunk format or first block. */
function unionField(inode: Inode): number {
  const { content, type } = inode
  if ((type === S_IFCHR || type === S_IFBLK) && content !== undefined && 'rdev' in content) return content.rdev
  // The chunk format overwrites the low half of the block number of a promoted chunk table.
  if (inode.layout === CHUNK_BASED) return ((inode.firstBlock & 0xffff0000) | inode.chunkFormat) >>> 0
  return inode.firstBlock
}

function encodeXattrArea(inode: Inode, { image, tableId }: InodeContext): void {
  let at = inode.tailPosition - inode.xattrAreaSize
  let filter = 0xffffffff
  for (const xattr of inode.xattrs) filter &= ~(1 << xattr.name.filterBit)
  image.writeUInt32LE(filter >>> 0, at)
  image[at + 4] = inode.sharedCount
  let reference = at + XATTR_HEADER_SIZE
  const localStart = reference + 4 * inode.sharedCount
  at = localStart
  for (const xattr of inode.xattrs) {
    if (xattr.uses > 1 && reference < localStart) {
      reference = image.writeUInt32LE(tableId + xattr.tableOffset / 4, reference)
    } else {
      at = encodeXattr(xattr, image, at)
    }
  }
}

/** Writes one entry and returns where the next one begins. */
export function encodeXattr(xattr: Xattr, image: Buffer, at: number): number {
  const { name, valueLength } = xattr
  image[at] = name.suffix.length
  image[at + 1] = name.prefix
  image.writeUInt16LE(valueLength, at + 2)
  image.write(name.suffix, at + XATTR_ENTRY_HEADER_SIZE, 'latin1')
  image.write(xattr.value, at + XATTR_ENTRY_HEADER_SIZE + name.suffix.length, 'latin1')
  return at + xattr.entrySize
}

function encodeData(inode: Inode, image: Buffer): void {
  const { content, blocks, tail } = inode
  const blockStart = inode.firstBlock * BLOCK_SIZE
  if (content === undefined) {
    encodeDirectory(inode, image)
  } else if (inode.chunks > 0) {
    if (blocks > 0) image.fill(0xff, blockStart, blockStart + BLOCK_SIZE)
    else image.fill(0xff, inode.tailPosition, inode.tailPosition + tail)
  } else if (content.type === 'symlink') {
    image.write(content.target, blocks > 0 ? blockStart : inode.tailPosition, 'latin1')
  } else if (content.type === 'inline') {
    const inBlocks = inode.size - tail
    image.set(content.data.subarray(0, inBlocks), blockStart)
    image.set(content.data.subarray(inBlocks), inode.tailPosition)
  }
}
