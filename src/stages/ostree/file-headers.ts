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

const MOST_HEADERS = 4096
const MAX_LENGTH = 512
const AFTER_SIZE = PREFIX_LENGTH + 8

export interface ReadHeader<Made> {
  /** Bytes of content. */
  readonly size: number
  readonly isSymlink: boolean
  /** Bytes of the header, with its prefix. */
  readonly length: number
  readonly made: Made
}

/**
 * What is made of the zlib headers of many files: of those of regular files it is kept by all that follows the size, which is
 * the first member. Of 11,500 files of a Debian system most differ in it alone.
 */
export class HeaderMemo<Made> {
  readonly #make: (header: ArchiveFileHeader) => Made
  readonly #made = new Map<string, Made>()

  constructor(make: (header: ArchiveFileHeader) => Made) {
    this.#make = make
  }

  /** The sized header that `bytes` begins with. @throws SluiceError `SLUICE_FORMAT` */
  read(bytes: Uint8Array): ReadHeader<Made> {
    const length = PREFIX_LENGTH + readHeaderPrefix(bytes)
    const buffer = asBuffer(bytes)
    const isShort = AFTER_SIZE < length && length <= Math.min(bytes.length, MAX_LENGTH)
    const key = isShort ? buffer.toString('latin1', AFTER_SIZE, length) : undefined
    const known = key === undefined ? undefined : this.#made.get(key)
    if (known !== undefined) {
      const size = buffer.readUInt32BE(PREFIX_LENGTH) * 2 ** 32 + buffer.readUInt32BE(PREFIX_LENGTH + 4)
      if (Number.isSafeInteger(size)) return { size, isSymlink: false, length, made: known }
    }
    const { header } = readSizedZlibHeader(bytes)
    const read = { size: header.size, isSymlink: isSymlink(header), length, made: this.#make(header) }
    const isWorthIt = !read.isSymlink && this.#made.size < MOST_HEADERS
    if (key !== undefined && isWorthIt) this.#made.set(key, read.made)
    return read
  }
}

const hashedHeaders = new HeaderMemo(writeSizedRegularHeader)

/** The headers of the object that `bytes` begins with. @throws SluiceError `SLUICE_FORMAT` */
export function readFileHeaders(bytes: Uint8Array): FileHeaders {
  const { size, isSymlink, length, made } = hashedHeaders.read(bytes)
  return { size, isSymlink, stored: bytes.subarray(0, length), hashed: made }
}
