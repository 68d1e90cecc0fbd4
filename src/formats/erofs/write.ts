/** The composefs EROFS writer (erofs.md §7). Everything depends only on the tree: no clock, no randomness, no locale. */
import type { Directory } from '../tree/tree.js'
import { assignXattrs } from './assign-xattrs.js'
import { encodeInode, encodeXattr } from './encode-inode.js'
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  FEATURE_COMPAT,
  FLAG_HAS_ACL,
  HEADER_MAGIC,
  HEADER_VERSION,
  Header,
  SLOT_SIZE,
  SUPERBLOCK_MAGIC,
  Superblock,
  xattrPrefixes,
  type Dialect,
  type ErofsVersion,
} from './format.js'
import type { Inode } from './inode.js'
import { layOut, type ImageLayout } from './layout.js'
import type { LeafHints } from './leaf-hints.js'
import { shareXattrs } from './share-xattrs.js'
import { surveyTree } from './survey.js'
import { XattrPool } from './xattr-pool.js'

export interface WriteErofsOptions {
  /**
   * 0: epoch 1 without opaque markers; 1: with them; 2: epoch 2. Nothing is bumped: the rule of the C tool for whiteouts
   * is the business of its front end (erofs.md §1.2).
   */
  readonly version: ErofsVersion
  /** What a dumpfile says beyond the tree; epoch 2, which the C tool does not know, ignores it. */
  readonly hints?: LeafHints
  /**
   * Where the reference tools differ (erofs.md §11): images of a repository are written as `cfsctl` does, those of
   * `mkcomposefs` as the C tool does. Default: `c`.
   */
  readonly dialect?: Dialect
}

/**
 * The image of a tree, a multiple of 4096 bytes. The tree stays as it is.
 *
 * @throws SluiceError SLUICE_FORMAT when the tree breaks a limit of the format (erofs.md §2, §9.3)
 */
export function writeErofs(root: Directory, options: WriteErofsOptions): Buffer {
  const { version, hints, dialect = 'c' } = options
  const epoch2 = version === 2
  const inodes = surveyTree(root, version, { hints, dialect })
  const pool = new XattrPool(epoch2)
  assignXattrs(inodes, version, pool)
  const table = shareXattrs(inodes, version, pool)
  const layout = layOut(inodes, version, table.size, dialect)

  const image = Buffer.alloc(layout.size)
  writeHeader(image, inodes, version)
  writeSuperblock(image, inodes, layout, epoch2)
  const xattrBase = epoch2 ? 0 : roundDownToBlock(layout.inodeEnd)
  const tableId = (layout.inodeEnd - xattrBase) / 4
  const context = { image, epoch2, tableId }
  inodes.forEach((inode, index) => encodeInode(inode, index, context))
  let at = layout.inodeEnd
  for (const xattr of table.entries) at = encodeXattr(xattr, image, at)
  return image
}

function roundDownToBlock(position: number): number {
  return position - (position % BLOCK_SIZE)
}

function writeHeader(image: Buffer, inodes: readonly Inode[], version: ErofsVersion): void {
  image.writeUInt32LE(HEADER_MAGIC, Header.magic)
  image.writeUInt32LE(HEADER_VERSION, Header.headerVersion)
  image.writeUInt32LE(version !== 2 && hasAcl(inodes) ? FLAG_HAS_ACL : 0, Header.flags)
  image.writeUInt32LE(version, Header.composefsVersion)
}

/** Only the exact keys count, not longer ones with the same prefix index. */
function hasAcl(inodes: readonly Inode[]): boolean {
  const [, , access, fallback] = xattrPrefixes
  return inodes.some((inode) => inode.xattrs.some(({ name }) => name.key === access || name.key === fallback))
}

function writeSuperblock(image: Buffer, inodes: readonly Inode[], layout: ImageLayout, epoch2: boolean): void {
  image.writeUInt32LE(SUPERBLOCK_MAGIC, Superblock.magic)
  image.writeUInt32LE(FEATURE_COMPAT, Superblock.featureCompat)
  image[Superblock.blockBits] = BLOCK_BITS
  image.writeUInt16LE(inodes[0].position / SLOT_SIZE, Superblock.rootNid)
  image.writeUInt32LE(inodes.length, Superblock.inodeCount)
  image.writeBigInt64LE(layout.buildTime, Superblock.buildTime)
  image.writeUInt32LE(layout.buildTimeNsec, Superblock.buildTimeNsec)
  image.writeUInt32LE(layout.size / BLOCK_SIZE, Superblock.blocks)
  if (!epoch2) image.writeUInt32LE(Math.floor(layout.inodeEnd / BLOCK_SIZE), Superblock.xattrBlock)
}
