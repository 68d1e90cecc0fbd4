/** Reads inodes of an untrusted image: headers, xattrs, directory entries, data (erofs.md §10.2, §10.3). */
import { formatError } from '../../errors.js'
import type { ByteString } from '../bytes.js'
import {
  BLOCK_SIZE,
  CHUNK_BASED,
  COMPACT_SIZE,
  DIRENT_SIZE,
  EXTENDED_SIZE,
  FLAT_INLINE,
  FLAT_PLAIN,
  SLOT_SIZE,
  XATTR_ENTRY_HEADER_SIZE,
  XATTR_HEADER_SIZE,
  roundUp,
  xattrPrefixes,
} from './format.js'
import type { ErofsImage } from './open.js'

/** Header of an inode. Its xattr area and tail lie inside the image; its blocks have not been looked at. */
export interface DiskInode {
  readonly nid: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly mtime: bigint
  readonly mtimeNsec: number
  readonly layout: number
  /** i_size; values above 2^53 are rounded, none of them to 2^53. */
  readonly size: number
  /** i_u: device number or first block. */
  readonly union: number
  readonly xattrStart: number
  readonly xattrEnd: number
  /** Bytes behind the xattr area that belong to the data. */
  readonly tail: number
}

export interface DiskXattr {
  /** Index into `xattrPrefixes`. */
  readonly prefix: number
  readonly suffix: ByteString
  readonly value: ByteString
}

export interface DiskEntry {
  readonly name: ByteString
  /** As it stands there: any number up to 2^64. */
  readonly nid: number
}

/**
 * Reads each inode at most once in a walk. In a sound image no two structures overlap, so what is read in all cannot
 * exceed the image; a hostile one that refers to the same bytes again and again runs out of budget.
 */
export class InodeReader {
  readonly #image: ErofsImage
  readonly #bytes: Buffer
  #budget: number
  readonly #sharedXattrs = new Map<number, DiskXattr>()

  constructor(image: ErofsImage) {
    this.#image = image
    this.#bytes = image.bytes
    this.#budget = image.bytes.length
  }

  /** The header of inode `nid`, which may be any number. */
  inode(nid: number): DiskInode {
    const bytes = this.#bytes
    const at = nid * SLOT_SIZE
    if (at + COMPACT_SIZE > bytes.length) throw broken(nid, 'lies outside the image')
    const format = bytes.readUInt16LE(at)
    const extended = (format & 1) === 1
    const headSize = extended ? EXTENDED_SIZE : COMPACT_SIZE
    if (at + headSize > bytes.length) throw broken(nid, 'lies outside the image')
    const layout = (format >> 1) & 7
    if (layout !== FLAT_PLAIN && layout !== FLAT_INLINE && layout !== CHUNK_BASED) {
      throw broken(nid, `has the unknown data layout ${layout}`)
    }
    const sizeLow = bytes.readUInt32LE(at + 8)
    const sizeHigh = extended ? bytes.readUInt32LE(at + 12) : 0
    const xattrCount = bytes.readUInt16LE(at + 2)
    const xattrStart = at + headSize
    const xattrEnd = xattrStart + (xattrCount === 0 ? 0 : XATTR_HEADER_SIZE + 4 * (xattrCount - 1))
    const tail = layout === FLAT_INLINE ? sizeLow % BLOCK_SIZE : 0
    // Epoch 2 writers leave the chunk entry of files without digest out.
    const chunkEntry = layout === CHUNK_BASED && this.#image.version !== 2 ? 4 : 0
    if (xattrEnd + tail + chunkEntry > bytes.length) throw broken(nid, 'reaches beyond the end of the image')
    return {
      nid,
      mode: bytes.readUInt16LE(at + 4),
      nlink: extended ? bytes.readUInt32LE(at + 44) : bytes.readUInt16LE(at + 6),
      uid: extended ? bytes.readUInt32LE(at + 24) : bytes.readUInt16LE(at + 24),
      gid: extended ? bytes.readUInt32LE(at + 28) : bytes.readUInt16LE(at + 26),
      mtime: extended ? bytes.readBigInt64LE(at + 32) : this.#image.buildTime,
      mtimeNsec: extended ? bytes.readUInt32LE(at + 40) : this.#image.buildTimeNsec,
      layout,
      size: sizeHigh * 2 ** 32 + (sizeHigh < 2 ** 21 ? sizeLow : roundUp(sizeLow, 2)),
      union: bytes.readUInt32LE(at + 16),
      xattrStart,
      xattrEnd,
      tail,
    }
  }

  /** Shared xattrs, then local ones. */
  xattrs(inode: DiskInode): DiskXattr[] {
    const { nid, xattrStart, xattrEnd } = inode
    if (xattrStart === xattrEnd) return []
    this.#claim(inode, xattrEnd - xattrStart)
    const sharedCount = this.#bytes[xattrStart + 4]
    let at = xattrStart + XATTR_HEADER_SIZE
    if (at + 4 * sharedCount > xattrEnd) throw broken(nid, `has no room for ${sharedCount} shared xattrs`)
    const xattrs: DiskXattr[] = []
    for (let i = 0; i < sharedCount; i++, at += 4) xattrs.push(this.#sharedXattr(inode, this.#bytes.readUInt32LE(at)))
    while (at < xattrEnd) {
      const end = this.#xattrEnd(inode, at, xattrEnd)
      xattrs.push(this.#decodeXattr(at))
      at = end
    }
    return xattrs
  }

  #sharedXattr(inode: DiskInode, id: number): DiskXattr {
    let xattr = this.#sharedXattrs.get(id)
    if (xattr === undefined) {
      const at = this.#image.xattrBase + 4 * id
      this.#claim(inode, this.#xattrEnd(inode, at, this.#bytes.length) - at)
      xattr = this.#decodeXattr(at)
      this.#sharedXattrs.set(id, xattr)
    }
    return xattr
  }

  /** End of the entry at `at`, padding included, which must not exceed `limit`. */
  #xattrEnd({ nid }: DiskInode, at: number, limit: number): number {
    if (at + XATTR_ENTRY_HEADER_SIZE > limit) throw broken(nid, 'has an xattr out of bounds')
    const length = this.#bytes[at] + this.#bytes.readUInt16LE(at + 2)
    const end = roundUp(at + XATTR_ENTRY_HEADER_SIZE + length, 4)
    if (end > limit) throw broken(nid, 'has an xattr out of bounds')
    const prefix = this.#bytes[at + 1]
    if (prefix >= xattrPrefixes.length) throw broken(nid, `has an xattr with the unknown prefix index ${prefix}`)
    return end
  }

  #decodeXattr(at: number): DiskXattr {
    const suffixStart = at + XATTR_ENTRY_HEADER_SIZE
    const valueStart = suffixStart + this.#bytes[at]
    return {
      prefix: this.#bytes[at + 1],
      suffix: this.#bytes.toString('latin1', suffixStart, valueStart),
      value: this.#bytes.toString('latin1', valueStart, valueStart + this.#bytes.readUInt16LE(at + 2)),
    }
  }

  /** All entries of a directory, `.` and `..` among them. */
  entries(inode: DiskInode): DiskEntry[] {
    if (inode.layout === CHUNK_BASED) throw broken(inode.nid, 'is a directory made of chunks')
    const { start, blocks } = this.#blocks(inode)
    this.#claim(inode, blocks * BLOCK_SIZE + inode.tail)
    const entries: DiskEntry[] = []
    for (let i = 0; i < blocks; i++) this.#group(inode, start + i * BLOCK_SIZE, BLOCK_SIZE, entries)
    if (inode.tail > 0) this.#group(inode, inode.xattrEnd, inode.tail, entries)
    return entries
  }

  /** Decodes one block, or the tail, of a directory. */
  #group({ nid }: DiskInode, at: number, length: number, entries: DiskEntry[]): void {
    const bytes = this.#bytes
    const group = bytes.subarray(at, at + length)
    const namesStart = length < DIRENT_SIZE ? 0 : group.readUInt16LE(8)
    const count = namesStart / DIRENT_SIZE
    if (count === 0 || !Number.isInteger(count) || namesStart > length) throw broken(nid, 'has a broken entry table')
    let nameStart = namesStart
    for (let i = 0; i < count; i++) {
      const header = i * DIRENT_SIZE
      const nameEnd = i + 1 < count ? group.readUInt16LE(header + DIRENT_SIZE + 8) : endOfLastName(group, nameStart)
      if (nameEnd < nameStart || nameEnd > length) throw broken(nid, 'has an entry name out of bounds')
      const targetNid = group.readUInt32LE(header + 4) * 2 ** 32 + group.readUInt32LE(header)
      entries.push({ name: group.toString('latin1', nameStart, nameEnd), nid: targetNid })
      nameStart = nameEnd
    }
  }

  /** The content of an inline file or the target of a symlink. */
  data(inode: DiskInode): Buffer {
    if (inode.layout === CHUNK_BASED) throw broken(inode.nid, 'has no data in the image')
    const { start, blocks } = this.#blocks(inode)
    this.#claim(inode, inode.size)
    const tail = this.#bytes.subarray(inode.xattrEnd, inode.xattrEnd + inode.tail)
    if (blocks === 0) return Buffer.from(tail)
    return Buffer.concat([this.#bytes.subarray(start, start + inode.size - inode.tail), tail])
  }

  /** First byte and number of the data blocks. */
  #blocks({ nid, layout, size, union }: DiskInode): { start: number; blocks: number } {
    if (size > this.#bytes.length) throw broken(nid, `has ${size} bytes, more than the image`)
    const blocks = layout === FLAT_PLAIN ? Math.ceil(size / BLOCK_SIZE) : Math.floor(size / BLOCK_SIZE)
    const start = union * BLOCK_SIZE
    if (blocks > 0 && start + blocks * BLOCK_SIZE > this.#bytes.length) {
      throw broken(nid, 'has data blocks beyond the end of the image')
    }
    return { start, blocks }
  }

  #claim({ nid }: DiskInode, length: number): void {
    this.#budget -= length
    if (this.#budget < 0) throw broken(nid, 'shares its data with other inodes')
  }
}

/**
 * The last name of a group ends before the zeros that fill it. A zero inside makes it a name that cannot be, as for the
 * reference; the kernel would show what stands before it.
 */
function endOfLastName(group: Buffer, start: number): number {
  let end = group.length
  while (end > start && group[end - 1] === 0) end--
  return end
}

function broken(nid: number, problem: string): Error {
  return formatError('erofs', `inode ${nid} ${problem}`)
}
