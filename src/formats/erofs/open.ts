/** Opens composefs EROFS images of any origin (erofs.md §10.1). */
import { asBuffer } from '../bytes.js'
import { formatError } from '../../errors.js'
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  FEATURE_COMPAT_KNOWN,
  FEATURE_INCOMPAT_KNOWN,
  HEADER_MAGIC,
  HEADER_VERSION,
  Header,
  MAX_IMAGE_SIZE,
  SUPERBLOCK_MAGIC,
  Superblock,
  type ErofsVersion,
} from './format.js'

/** An image whose header and superblock are sound; nothing else has been looked at. */
export interface ErofsImage {
  readonly bytes: Buffer
  readonly version: ErofsVersion
  readonly rootNid: number
  /** mtime of compact inodes. */
  readonly buildTime: bigint
  readonly buildTimeNsec: number
  /** Byte offset from which shared xattr ids count. */
  readonly xattrBase: number
}

/**
 * Reads header and superblock.
 *
 * @throws SluiceError SLUICE_FORMAT when this is no composefs image, or one with features that composefs does not use
 */
export function openErofs(data: Uint8Array): ErofsImage {
  const bytes = asBuffer(data)
  require(bytes.length <= MAX_IMAGE_SIZE, `an image of ${bytes.length} bytes (limit ${MAX_IMAGE_SIZE})`)
  require(bytes.length >= Superblock.end, `${bytes.length} bytes are too few for an image`)
  const u16 = (offset: number) => bytes.readUInt16LE(offset)
  const u32 = (offset: number) => bytes.readUInt32LE(offset)

  require(u32(Header.magic) === HEADER_MAGIC, 'no composefs magic in the header')
  require(u32(Header.headerVersion) === HEADER_VERSION, `unknown header version ${u32(Header.headerVersion)}`)
  const version = u32(Header.composefsVersion)
  require(version === 0 || version === 1 || version === 2, `unknown composefs version ${version}`)

  require(u32(Superblock.magic) === SUPERBLOCK_MAGIC, 'no EROFS magic in the superblock')
  require(bytes[Superblock.blockBits] === BLOCK_BITS, `blocks of 2^${bytes[Superblock.blockBits]} bytes`)
  const compat = u32(Superblock.featureCompat)
  require((compat & ~FEATURE_COMPAT_KNOWN) === 0, `unknown compatible features 0x${compat.toString(16)}`)
  const incompat = u32(Superblock.featureIncompat)
  require((incompat & ~FEATURE_INCOMPAT_KNOWN) === 0, `unsupported features 0x${incompat.toString(16)}`)
  require(u16(Superblock.compressionAlgorithms) === 0, 'compression')
  require(u16(Superblock.extraDevices) === 0, 'extra devices')
  require(bytes[Superblock.extraSlots] === 0, 'an extended superblock')
  require(bytes.readBigUInt64LE(Superblock.packedNid) === 0n, 'a packed inode')
  require(u32(Superblock.metaBlock) === 0, 'a metadata area that does not begin at block 0')
  require(bytes[Superblock.xattrPrefixCount] === 0, 'custom xattr prefixes')
  const xattrBase = u32(Superblock.xattrBlock) * BLOCK_SIZE
  require(xattrBase <= bytes.length, 'an xattr area beyond the end of the image')

  return {
    bytes,
    version: version as ErofsVersion,
    rootNid: u16(Superblock.rootNid),
    buildTime: bytes.readBigInt64LE(Superblock.buildTime),
    buildTimeNsec: u32(Superblock.buildTimeNsec),
    xattrBase,
  }
}

function require(holds: boolean, problem: string): void {
  if (!holds) throw formatError('erofs', `not a usable composefs image: ${problem}`)
}
