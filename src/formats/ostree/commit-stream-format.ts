/** The stream that stands for a commit in a composefs repository: constants and places (ostree.md §4). Little-endian. */
import type { ByteString } from '../bytes.js'

/** Content types of splitstreams, 8 bytes: 0xAFE138C18C463EF1 and 0x7972616D6D75736F (§4.1, §4.6). */
export const ostreeContentType = {
  commit: '\xf1\x3e\x46\x8c\xc1\x38\xe1\xaf',
  summary: 'osummary',
} as const satisfies Record<string, ByteString>

/** The name by which form B refers to the image of the commit (§4.3). */
export const IMAGE_REF = 'composefs.image'

export const BUCKETS_OFFSET = 8
export const BUCKETS = 256
/** Commit index, flags, buckets. */
export const HEAD_LENGTH = BUCKETS_OFFSET + 4 * BUCKETS
/** Block of the data, size, external index: u32 each. */
export const ENTRY_LENGTH = 12
/** Data begins at multiples of so many bytes. */
export const BLOCK = 8
export const NO_EXTERNAL = 0xffff_ffff
export const MAX_OBJECTS = 0xffff_fffe
/** Bytes of one datum, and blocks of all. */
export const MAX_DATUM = 0xffff_ffff
export const MAX_BLOCKS = 0x1_0000_0000
