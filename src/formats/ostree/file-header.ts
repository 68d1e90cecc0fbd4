/**
 * Headers of file objects (ostree.md §1.4): the regular one, which the id covers, and the zlib one, which archives store.
 * *Sized* means with its prefix of 8 bytes: length of the variant, big-endian, and four zero bytes.
 */
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import { writeValue } from '../gvariant/write.js'
import { S_IFLNK, S_IFMT, S_IFREG } from '../tree/tree.js'
import { swap32, swap64 } from './byte-order.js'
import { isModeOf, type Ownership } from './dirmeta.js'
import type { OstreeXattrs } from './xattrs.js'

export interface FileHeader extends Ownership {
  /** Target of a symlink, empty for regular files. */
  readonly target: string
}

export interface ArchiveFileHeader extends FileHeader {
  /** Bytes of content; 0 for symlinks. Not covered by the id of the file. */
  readonly size: number
}

type Members = readonly [uid: number, gid: number, mode: number, rdev: number, target: string, xattrs: OstreeXattrs]

const regularType = parseType<Members>('(uuuusa(ayay))')
const zlibType = parseType<readonly [size: bigint, ...Members]>('(tuuuusa(ayay))')

/** Bytes before the variant of a sized header. */
export const PREFIX_LENGTH = 8
/** Longest variant that is read: an inode's xattrs are far below. */
const MAX_HEADER = 16 * 1024 * 1024

const malformed = (message: string) => formatError('ostree file header', message)

export const isSymlink = ({ mode }: { readonly mode: number }): boolean => (mode & S_IFMT) === S_IFLNK

/** Length of the variant after the prefix. @throws SluiceError `SLUICE_FORMAT`: not a prefix, or more than `MAX_HEADER`. */
export function readHeaderPrefix(bytes: Uint8Array): number {
  if (bytes.length < PREFIX_LENGTH) throw malformed('ends inside its length')
  const prefix = asBuffer(bytes)
  const length = prefix.readUInt32BE(0)
  if (prefix.readUInt32BE(4) !== 0) throw malformed('the bytes after its length are not zero')
  if (length > MAX_HEADER) throw malformed(`it states a length of ${length} bytes`)
  return length
}

function ofMembers([uid, gid, mode, , target, xattrs]: Members): FileHeader {
  return { uid: swap32(uid), gid: swap32(gid), mode: swap32(mode), target, xattrs }
}

/** The device number is 0: ids are made so, and only devices have one. */
function toMembers({ uid, gid, mode, target, xattrs }: FileHeader): Members {
  return [swap32(uid), swap32(gid), swap32(mode), 0, target, xattrs]
}

/** Checks that a header can be that of a file (§5.1, §8.17). */
export function checkFileHeader({ mode, target }: FileHeader): void {
  if (!isModeOf(mode, S_IFREG, S_IFLNK)) {
    throw malformed(`mode 0${mode.toString(8)} is neither that of a regular file nor that of a symlink`)
  }
  if (isSymlink({ mode }) !== (target !== '')) {
    throw malformed(target === '' ? 'a symlink has no target' : 'a regular file has the target of a symlink')
  }
}

/** A zlib header without prefix. @throws SluiceError `SLUICE_FORMAT` */
function readZlibHeader(variant: Uint8Array): ArchiveFileHeader {
  const [size, ...members] = readValue(zlibType, variant)
  const header = ofMembers(members)
  checkFileHeader(header)
  // No id covers the size, and old versions of ostree state the length of the target; there is no content either way (§8.2).
  if (isSymlink(header)) return { ...header, size: 0 }
  const length = swap64(size)
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`it states ${length} bytes of content`)
  return { ...header, size: Number(length) }
}

export interface SizedZlibHeader {
  readonly header: ArchiveFileHeader
  /** The header with its prefix, as it came: what commit streams store. */
  readonly bytes: Uint8Array
  /** What follows it: content in commit streams, a deflate stream in archives. */
  readonly rest: Uint8Array
}

/** The zlib header that `bytes` begins with. @throws SluiceError `SLUICE_FORMAT` */
export function readSizedZlibHeader(bytes: Uint8Array): SizedZlibHeader {
  const end = PREFIX_LENGTH + readHeaderPrefix(bytes)
  if (end > bytes.length) throw malformed(`it ends after ${bytes.length} of ${end} bytes`)
  return {
    header: readZlibHeader(bytes.subarray(PREFIX_LENGTH, end)),
    bytes: bytes.subarray(0, end),
    rest: bytes.subarray(end),
  }
}

function sized(variant: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_LENGTH)
  prefix.writeUInt32BE(variant.length)
  return Buffer.concat([prefix, variant])
}

/** What archives and commit streams store before the content. */
export function writeSizedZlibHeader(header: ArchiveFileHeader): Buffer {
  return sized(writeValue(zlibType, [swap64(BigInt(header.size)), ...toMembers(header)]))
}

/** What the id of a file covers before the content. */
export function writeSizedRegularHeader(header: FileHeader): Buffer {
  return sized(writeValue(regularType, toMembers(header)))
}
