/** Sizes and places of inodes and their data (erofs.md §3.3 to §3.5, §6). */
import { formatError } from '../../errors.js'
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  CHUNK_BASED,
  COMPACT_SIZE,
  EXTENDED_SIZE,
  FLAT_INLINE,
  FLAT_PLAIN,
  LARGEST_CHUNK_FORMAT,
  MAX_IMAGE_SIZE,
  SLOT_SIZE,
  Superblock,
  roundUp,
  type ErofsVersion,
} from './format.js'
import { groupDirectory } from './directory-groups.js'
import type { Inode } from './inode.js'
import type { Mtime } from './mtime.js'
import { measureXattrs } from './share-xattrs.js'
import type { Survey } from './survey.js'

const U16_MAX = 0xffff
const U32_MAX = 0xffffffff
/** An inline file keeps at most this many bytes behind its inode in epoch 1. */
const MAX_INLINE_TAIL = 2048

export interface ImageLayout {
  /** End of the inode area: the shared xattr table begins here. */
  readonly inodeEnd: number
  /** Length of the image, a multiple of 4096. */
  readonly size: number
}

/** Places all inodes; `tableSize` is the length of the shared xattr table. */
export function layOut({ inodes, oldest }: Survey, version: ErofsVersion, tableSize: number): ImageLayout {
  const epoch2 = version === 2
  let end: number = Superblock.end
  const withBlocks: Inode[] = []
  for (const inode of inodes) {
    if (inode.xattrs.length > 0) measureXattrs(inode, version)
    measure(inode, epoch2)
    inode.extended = epoch2 || !fitsCompact(inode, oldest)
    end = place(inode, roundUp(end, SLOT_SIZE), epoch2)
    inode.layout = inode.chunks > 0 || inode.isExternal ? CHUNK_BASED : isInline(inode) ? FLAT_INLINE : FLAT_PLAIN
    if (inode.blocks > 0) withBlocks.push(inode)
  }
  const inodeEnd = roundUp(end, SLOT_SIZE)
  let nextBlock = Math.ceil((inodeEnd + tableSize) / BLOCK_SIZE)
  for (const inode of withBlocks) {
    inode.firstBlock = nextBlock
    nextBlock += inode.blocks
  }
  const size = nextBlock * BLOCK_SIZE
  if (size > MAX_IMAGE_SIZE) throw formatError('erofs', `the image would have ${size} bytes (limit ${MAX_IMAGE_SIZE})`)
  return { inodeEnd, size }
}

function fitsCompact(inode: Inode, oldest: Mtime): boolean {
  const { stat, nlink, size } = inode
  return (
    stat.mtime === oldest.mtime &&
    stat.mtimeNsec === oldest.mtimeNsec &&
    nlink <= U16_MAX &&
    stat.uid <= U16_MAX &&
    stat.gid <= U16_MAX &&
    size <= U32_MAX
  )
}

/** How many bytes the inode has, and how many of them in blocks and behind itself, before it is placed. */
function measure(inode: Inode, epoch2: boolean): void {
  const { content } = inode
  if (content === undefined) {
    groupDirectory(inode)
  } else if (content.type === 'inline') {
    inode.size = content.data.length
    inode.blocks = epoch2 ? 0 : Math.floor(inode.size / BLOCK_SIZE)
    inode.tail = inode.size - inode.blocks * BLOCK_SIZE
    if (!epoch2 && inode.tail > MAX_INLINE_TAIL) {
      inode.blocks++
      inode.tail = 0
    }
  } else if (content.type === 'symlink') {
    inode.size = content.target.length
    inode.tail = inode.size
  } else if (inode.isExternal && 'size' in content) {
    inode.size = content.size
    inode.chunkFormat = epoch2 ? LARGEST_CHUNK_FORMAT : chunkFormat(content.size)
    // The Rust writer forgets the entry of files without digest, in epoch 2 only.
    if (epoch2) inode.chunks = content.type === 'external' ? 1 : 0
    else inode.chunks = Math.ceil(content.size / 2 ** (inode.chunkFormat + BLOCK_BITS))
    inode.tail = 4 * inode.chunks
  }
}

/** log2 of the chunk size in blocks: the smallest chunk that holds the file, at most 2^43 bytes. */
function chunkFormat(size: number): number {
  const last = size - 1
  const bits = last < 2 ** 32 ? 32 - Math.clz32(last) : 64 - Math.clz32(last / 2 ** 32)
  return Math.min(Math.max(bits - BLOCK_BITS, 0), LARGEST_CHUNK_FORMAT)
}

/** Fixes the position of an inode that may begin at `start`, and returns its end. */
function place(inode: Inode, start: number, epoch2: boolean): number {
  const headSize = (inode.extended ? EXTENDED_SIZE : COMPACT_SIZE) + inode.xattrAreaSize
  if (epoch2) inode.position = start + epoch2Padding(inode, start + headSize)
  else if (inode.content?.type === 'symlink') placeSymlink(inode, start, headSize)
  else placeTail(inode, start, headSize)
  return inode.position + headSize + inode.tail
}

/**
 * Head and tail may not cross a block boundary together; a tail that can never fit gets a block (epoch 1). An empty target, which
 * no dumpfile can have but an archive, gets none.
 */
function placeSymlink(inode: Inode, start: number, headSize: number): void {
  const total = headSize + inode.size
  const crosses = Math.floor(start / BLOCK_SIZE) !== Math.floor((start + total - 1) / BLOCK_SIZE)
  inode.position = crosses ? roundUp(start, BLOCK_SIZE) : start
  if (total >= BLOCK_SIZE && inode.size > 0) promote(inode)
}

/** The head may cross a block boundary, the tail not (epoch 1). */
function placeTail(inode: Inode, start: number, headSize: number): void {
  inode.position = start
  const room = roomInBlock(start + headSize)
  if (inode.tail <= room) return
  const padding = roundUp(room, SLOT_SIZE)
  if (inode.tail <= roomInBlock(start + headSize + padding)) {
    inode.position += padding
  } else {
    // Only chunk tables of about 8 PiB get here.
    promote(inode)
    inode.position = roundUp(start, BLOCK_SIZE)
  }
}

function roomInBlock(position: number): number {
  return BLOCK_SIZE - (position % BLOCK_SIZE)
}

/** Targets of symlinks are inline even where they are empty. */
function isInline({ content, blocks, tail }: Inode): boolean {
  return tail > 0 || (content?.type === 'symlink' && blocks === 0)
}

function promote(inode: Inode): void {
  inode.blocks++
  inode.tail = 0
}

/**
 * As the Rust writer has it, oddities included: the end counts one past the last byte, so that a tail which ends on a
 * boundary moves too, and one that would begin on a boundary moves by a slot.
 */
function epoch2Padding(inode: Inode, tailStart: number): number {
  if (inode.isExternal || !isInline(inode)) return 0
  const last = tailStart - 1
  const end = tailStart + (inode.size % BLOCK_SIZE)
  if (Math.floor(last / BLOCK_SIZE) === Math.floor(end / BLOCK_SIZE)) return 0
  return roundUp(BLOCK_SIZE - (last % BLOCK_SIZE), SLOT_SIZE)
}
