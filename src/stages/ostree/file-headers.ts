/** The two headers of a file: what is stored before its content, and what its id covers (ostree.md §1.4). */
import { asBuffer } from '../../formats/bytes.js'
import {
  isSymlink,
  PREFIX_LENGTH,
  readHeaderPrefix,
  readSizedZlibHeader,
  writeSizedRegularHeader,
  writeSizedZlibHeader,
  type ArchiveFileHeader,
} from '../../formats/ostree/file-header.js'

export interface FileHeaders {
  /** Bytes of content. */
  readonly size: number
  /** Whether the headers are all there is. */
  readonly isSymlink: boolean
  /** The sized zlib header, which archives and commit streams store. */
  readonly stored: Uint8Array
  /** The sized regular header, which the id covers before the content. */
  readonly hashed: Uint8Array
}

export function writeFileHeaders(header: ArchiveFileHeader): FileHeaders {
  return {
    size: header.size,
    isSymlink: isSymlink(header),
    stored: writeSizedZlibHeader(header),
    hashed: writeSizedRegularHeader(header),
  }
}

/** By what follows the size, which is the first member: of 11,500 files of a Debian system most differ in it alone. */
const hashedHeaders = new Map<string, Uint8Array>()
const MOST_HEADERS = 4096
const MAX_LENGTH = 512
const AFTER_SIZE = PREFIX_LENGTH + 8

/** The headers of the object that `bytes` begins with. @throws SluiceError `SLUICE_FORMAT` */
export function readFileHeaders(bytes: Uint8Array): FileHeaders {
  const end = PREFIX_LENGTH + readHeaderPrefix(bytes)
  const buffer = asBuffer(bytes)
  const isShort = AFTER_SIZE < end && end <= Math.min(bytes.length, MAX_LENGTH)
  const key = isShort ? buffer.toString('latin1', AFTER_SIZE, end) : undefined
  const hashed = key === undefined ? undefined : hashedHeaders.get(key)
  if (hashed !== undefined) {
    const size = Number(buffer.readBigUInt64BE(PREFIX_LENGTH))
    if (Number.isSafeInteger(size)) return { size, isSymlink: false, stored: bytes.subarray(0, end), hashed }
  }
  const { header, bytes: stored } = readSizedZlibHeader(bytes)
  const read = { size: header.size, isSymlink: isSymlink(header), stored, hashed: writeSizedRegularHeader(header) }
  const isWorthIt = !read.isSymlink && hashedHeaders.size < MOST_HEADERS
  if (key !== undefined && isWorthIt) hashedHeaders.set(key, read.hashed)
  return read
}
