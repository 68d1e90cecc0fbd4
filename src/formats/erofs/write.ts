/** The composefs EROFS writer (erofs.md §7). Everything depends only on the tree: no clock, no randomness, no locale. */
import type { ByteString } from '../bytes.js'
import type { Directory } from '../tree/tree.js'
import { assignXattrs } from './assign-xattrs.js'
import { encodeInode } from './encode-inode.js'
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
import { newImage, type Image } from './image.js'
import { layOut, type ImageLayout } from './layout.js'
import type { LeafHints } from './leaf-hints.js'
import { shareXattrs } from './share-xattrs.js'
import { surveyTree, type Survey } from './survey.js'
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
  const survey = surveyTree(root, version, { hints, dialect })
  const { inodes } = survey
  const pool = new XattrPool(version === 2)
  assignXattrs(survey, version, pool)
  const table = shareXattrs(inodes, version, pool)
  const layout = layOut(survey, version, table.size)

  const image = newImage(layout.size)
  writeHeader(image, version !== 2 && hasAcl(pool, dialect) ? FLAG_HAS_ACL : 0, version)
  writeSuperblock(image, survey, layout, version)
  const xattrBase = version === 2 ? 0 : roundDownToBlock(layout.inodeEnd)
  const context = { version, tableId: (layout.inodeEnd - xattrBase) / 4 }
  inodes.forEach((inode, index) => encodeInode(inode, index, image, context))
  let at = layout.inodeEnd
  for (const xattr of table.entries) at = xattr.write(image, at)
  return image.bytes
}

function roundDownToBlock(position: number): number {
  return position - (position % BLOCK_SIZE)
}

function writeHeader({ view }: Image, flags: number, version: ErofsVersion): void {
  view.setUint32(Header.magic, HEADER_MAGIC, true)
  view.setUint32(Header.headerVersion, HEADER_VERSION, true)
  view.setUint32(Header.flags, flags, true)
  view.setUint32(Header.composefsVersion, version, true)
}

/**
 * Whether an inode has an ACL (erofs.md §5.9). For `cfsctl` longer keys with the same prefix count as well, such as those with
 * a zero byte at their end in images of commits (ostree.md §5.2).
 */
function hasAcl(pool: XattrPool, dialect: Dialect): boolean {
  const [, , access, fallback] = xattrPrefixes
  const isOf = (key: ByteString, acl: ByteString): boolean => (dialect === 'rust' ? key.startsWith(acl) : key === acl)
  return pool.keys.some((key) => isOf(key, access) || isOf(key, fallback))
}

function writeSuperblock({ view }: Image, survey: Survey, layout: ImageLayout, version: ErofsVersion): void {
  const { inodes, oldest } = survey
  view.setUint32(Superblock.magic, SUPERBLOCK_MAGIC, true)
  view.setUint32(Superblock.featureCompat, FEATURE_COMPAT, true)
  view.setUint8(Superblock.blockBits, BLOCK_BITS)
  view.setUint16(Superblock.rootNid, inodes[0].position / SLOT_SIZE, true)
  view.setUint32(Superblock.inodeCount, inodes.length, true)
  view.setUint32(Superblock.blocks, layout.size / BLOCK_SIZE, true)
  if (version === 2) return
  view.setBigInt64(Superblock.buildTime, oldest.mtime, true)
  view.setUint32(Superblock.buildTimeNsec, oldest.mtimeNsec, true)
  view.setUint32(Superblock.xattrBlock, Math.floor(layout.inodeEnd / BLOCK_SIZE), true)
}
