/** Constants of the tar formats that layers use: V7, ustar, GNU, pax (oci.md §2). */

/** Headers are one block; content is padded to whole blocks. */
export const BLOCK_SIZE = 512

/** File content of at most this many bytes stays in the splitstream (oci.md §2.1); a constant of the format. */
export const INLINE_LIMIT = 64

/** Most bytes that the extension headers of one entry may hold together (oci.md §2.2). */
export const EXTENSION_LIMIT = 1 << 20

interface Field {
  readonly at: number
  readonly length: number
  readonly name: string
}

/** Places of the fields in a header block. `linkname`, `magic` and what follows are not in every format. */
export const field = {
  name: { at: 0, length: 100, name: 'name' },
  mode: { at: 100, length: 8, name: 'mode' },
  uid: { at: 108, length: 8, name: 'uid' },
  gid: { at: 116, length: 8, name: 'gid' },
  size: { at: 124, length: 12, name: 'size' },
  mtime: { at: 136, length: 12, name: 'mtime' },
  checksum: { at: 148, length: 8, name: 'checksum' },
  typeflag: { at: 156, length: 1, name: 'typeflag' },
  linkname: { at: 157, length: 100, name: 'linkname' },
  magic: { at: 257, length: 8, name: 'magic' },
  devmajor: { at: 329, length: 8, name: 'devmajor' },
  devminor: { at: 337, length: 8, name: 'devminor' },
  prefix: { at: 345, length: 155, name: 'prefix' },
} as const satisfies Record<string, Field>

export type NumberField = (typeof field)[
  | 'mode'
  | 'uid'
  | 'gid'
  | 'size'
  | 'mtime'
  | 'checksum'
  | 'devmajor'
  | 'devminor']

export type TextField = (typeof field)['name' | 'linkname' | 'prefix']

/** Type flags, as bytes. */
export const flag = {
  regularOld: 0x00,
  regular: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  chr: 0x33,
  blk: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,
  longLink: 0x4b,
  longName: 0x4c,
  sparse: 0x53,
  globalPax: 0x67,
  pax: 0x78,
} as const

/** Bytes of padding behind `size` bytes of content. */
export function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE
}
