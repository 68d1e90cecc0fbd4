/** Numbers and field offsets of composefs EROFS images (erofs.md §1, §3, §5). All integers are little endian. */
import type { ByteString } from '../bytes.js'

/**
 * The layout families of composefs images. 0 and 1 are "epoch 1" (compact inodes, breadth first, whiteout stubs in the
 * root) and differ in opaque markers only; 2 is "epoch 2" (the older layout of the Rust tools).
 */
export type ErofsVersion = 0 | 1 | 2

/** Whose choices are followed where the two reference tools differ. */
export type Dialect = 'c' | 'rust'

export const BLOCK_SIZE = 4096
/** Inodes lie on multiples of this; a nid counts in it. */
export const SLOT_SIZE = 32
/** Longer images are refused by readers and not written (erofs.md §10.1). */
export const MAX_IMAGE_SIZE = 2 ** 30

/** Composefs header at offset 0. */
export const Header = {
  magic: 0,
  headerVersion: 4,
  flags: 8,
  composefsVersion: 12,
  size: 32,
} as const
export const HEADER_MAGIC = 0xd078629a
export const HEADER_VERSION = 1
export const FLAG_HAS_ACL = 1

/** Offsets in the image, not in the superblock. */
export const Superblock = {
  magic: 1024,
  featureCompat: 1032,
  blockBits: 1036,
  extraSlots: 1037,
  rootNid: 1038,
  inodeCount: 1040,
  buildTime: 1048,
  buildTimeNsec: 1056,
  blocks: 1060,
  metaBlock: 1064,
  xattrBlock: 1068,
  featureIncompat: 1104,
  compressionAlgorithms: 1108,
  extraDevices: 1110,
  xattrPrefixCount: 1115,
  packedNid: 1120,
  end: 1152,
} as const
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2
export const BLOCK_BITS = 12
/** MTIME and XATTR_FILTER. */
export const FEATURE_COMPAT = 6
/** What a reader lets pass: also SB_CHKSUM, which nobody sets. */
export const FEATURE_COMPAT_KNOWN = 7
/** CHUNKED_FILE may be set; composefs writers leave it off. */
export const FEATURE_INCOMPAT_KNOWN = 4

export const COMPACT_SIZE = 32
export const EXTENDED_SIZE = 64

/** Inode data layouts, bits 1..3 of i_format. */
export const FLAT_PLAIN = 0
export const FLAT_INLINE = 2
export const CHUNK_BASED = 4

/** Chunk format of the largest chunks, 2^43 bytes. */
export const LARGEST_CHUNK_FORMAT = 31

export const DIRENT_SIZE = 12

export const XATTR_HEADER_SIZE = 12
export const XATTR_ENTRY_HEADER_SIZE = 4
/** Bloom filter seed; the prefix index is added (erofs.md §5.4). */
export const XATTR_FILTER_SEED = 0x25bbe08f

/** Prefix of each index; index 0 is no prefix. `lustre.` is written in epoch 2 only (erofs.md §5.2). */
export const xattrPrefixes: readonly ByteString[] = [
  '',
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  'lustre.',
  'security.',
]
export const LUSTRE_PREFIX = 5

export const METACOPY = 'trusted.overlay.metacopy'
export const REDIRECT = 'trusted.overlay.redirect'
export const OPAQUE = 'trusted.overlay.opaque'
/** overlayfs interprets these keys; a user's own go one level deeper (erofs.md §5.3). */
export const OVERLAY_PREFIX = 'trusted.overlay.'
export const ESCAPED_OVERLAY_PREFIX = 'trusted.overlay.overlay.'
export const USER_OVERLAY_PREFIX = 'user.overlay.'
export const SELINUX = 'security.selinux'

/** Largest inline file: of the C tool in epoch 1, of the Rust tools in epoch 2 (erofs.md §9.3). */
export const MAX_INLINE = { epoch1: 5000, epoch2: 512 } as const
/** Largest symlink target, from the same tools: of a dumpfile, and of an image that is read. */
export const MAX_SYMLINK = { epoch1: 4095, epoch2: 1024 } as const
/** Largest file: 1024 chunks of 2^43 bytes. */
export const MAX_FILE_SIZE = 2 ** 53

/** Names of the 256 whiteout stubs in the root of an epoch 1 image: the object directories of a repository. */
export const stubNames: readonly ByteString[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
