/** Constants and offsets of a splitstream file (repository.md §3.1, §3.2). All integers are little-endian. */

export const MAGIC = 'SplitStream'
export const HEADER_SIZE = 32
export const INFO_SIZE = 80
export const VERSION = 0

/** Where the header fields are: the layout in force, and the one that old writers left behind (read only). */
export interface HeaderLayout {
  readonly magic: number
  readonly version: number
  readonly algorithm: number
  readonly blockBits: number
  readonly infoRange: number
}

export const headerLayout: HeaderLayout = { magic: 0, version: 11, algorithm: 14, blockBits: 15, infoRange: 16 }
export const oldHeaderLayout: HeaderLayout = { magic: 18, version: 29, algorithm: 30, blockBits: 31, infoRange: 0 }

/** Offsets inside the info section. `stream` comes before `namedRefs` here, and behind it in the file. */
export const infoLayout = {
  streamRefs: 0,
  objectRefs: 16,
  stream: 32,
  namedRefs: 48,
  contentType: 64,
  size: 72,
} as const

/** Content types: 8 bytes, as a byte string (repository.md §2.6). */
export const contentType = {
  manifest: 'ocimanif',
  config: 'ociconfg',
  layer: 'ocilayer',
  blob: 'oci_blob',
} as const

/** The zstd frame of an empty section: a section is never zero bytes long (§3.4). */
export const EMPTY_FRAME: Uint8Array = Buffer.from('28b52ffd2000010000', 'hex')

/**
 * Decompressed named refs may not exceed these (§4, hardening). A manifest of 4 MiB has room for 30,000 layers; the limits
 * that the specification suggests, 64 MiB and a million, let a file of 2 KiB take 130 MiB, and one of 550 KiB two seconds.
 */
export const MAX_NAMED_REFS_BYTES = 16 * 1024 * 1024
export const MAX_NAMED_REFS = 100_000
