/** Headers: which format and type a block is of, and what it and its extension headers say of an entry. */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'
import { readMtime, readOctal, readSize, readText, readU32 } from './fields.js'
import { BLOCK_SIZE, field, flag, INLINE_LIMIT } from './format.js'
import { noPax, parsePax, type PaxAttributes } from './pax.js'

/** `old` is V7 and whatever has another magic or version: it has no extensions, device numbers or prefix. */
export type HeaderFormat = 'ustar' | 'gnu' | 'old'

export function headerFormat(block: Buffer): HeaderFormat {
  const { at } = field.magic
  // "ustar" and then NUL "00", or "  " NUL.
  if (block.readUInt32BE(at) !== 0x75737461 || block[at + 4] !== 0x72) return 'old'
  if (block[at + 5] === 0 && block[at + 6] === 0x30 && block[at + 7] === 0x30) return 'ustar'
  if (block[at + 5] === 0x20 && block[at + 6] === 0x20 && block[at + 7] === 0) return 'gnu'
  return 'old'
}

/** Bodies of the extension headers in front of an entry. */
export interface Extensions {
  /** GNU `L`. */
  readonly longName?: Buffer
  /** GNU `K`. */
  readonly longLink?: Buffer
  /** `x`. */
  readonly pax?: Buffer
}

/** A body without the NUL that GNU tar writes at its end; only one is removed. */
function longText(body: Buffer): ByteString {
  return body.toString('latin1', 0, body.at(-1) === 0 ? body.length - 1 : body.length)
}

function checkSize(size: number): number {
  if (!Number.isSafeInteger(size + BLOCK_SIZE)) throw formatError('tar', `invalid entry size: ${size}`)
  return size
}

/** The st_rdev number that Linux makes of a device's major and minor number; a bigint above 32 bits, for absurd ones. */
function makeDevice(major: number, minor: number): number | bigint {
  const low = (((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12)) >>> 0
  const high = Math.floor(major / 0x1000) * 0x1000 + Math.floor(minor / 0x100000)
  return high === 0 ? low : BigInt(high) * 2n ** 32n + BigInt(low)
}

/**
 * The header of an entry together with its extensions, every number checked (oci.md §2.2 to §2.4).
 *
 * Names are read when asked for, because splitting a tar needs none: `path`, `linkTarget` and `rdev` work only until
 * the scanner goes on to the next block.
 */
export class EntryHeader {
  /** Type flag byte; see `flag`. */
  readonly typeflag: number
  readonly format: HeaderFormat
  /** Bytes of content. */
  readonly size: number
  /** As written: may hold type bits or more. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds, signed. */
  readonly mtime: bigint
  readonly #block: Buffer
  readonly #longName: Buffer | undefined
  readonly #longLink: Buffer | undefined
  readonly #pax: PaxAttributes

  /** @throws SluiceError for a malformed field, a sparse entry, an empty path or a size that no stream can have. */
  constructor(block: Buffer, format: HeaderFormat, extensions: Extensions) {
    this.#block = block
    this.#longName = extensions.longName
    this.#longLink = extensions.longLink
    this.typeflag = block[field.typeflag.at]!
    this.format = format
    const pax = extensions.pax === undefined ? noPax : parsePax(extensions.pax)
    this.#pax = pax
    const sparseHeader = this.typeflag === flag.sparse && format !== 'old'
    if (sparseHeader || pax.sparse) throw formatError('tar', 'sparse entries are not supported')
    // The header's own fields must be well-formed even where pax overrides them.
    const size = readSize(block)
    const uid = readU32(block, field.uid)
    const gid = readU32(block, field.gid)
    const mtime = readMtime(block)
    this.mode = readU32(block, field.mode)
    if (format !== 'old') {
      readOctal(block, field.devmajor)
      readOctal(block, field.devminor)
    }
    this.size = checkSize(pax.size ?? size)
    this.uid = pax.uid ?? uid
    this.gid = pax.gid ?? gid
    this.mtime = pax.mtime ?? mtime
    if (this.#hasNoPath()) throw formatError('tar', 'entry has an empty path')
  }

  /** Whether the entry is a regular file. A V7 directory, told by a slash at the end of its name, is one too. */
  get isRegular(): boolean {
    return this.typeflag === flag.regular || this.typeflag === flag.regularOld || this.typeflag === flag.contiguous
  }

  /** Whether the content is an object of its own, not part of the splitstream. */
  get isExternal(): boolean {
    return this.size > INLINE_LIMIT && this.isRegular
  }

  get mtimeNsec(): number {
    return this.#pax.mtimeNsec
  }

  get xattrs(): ReadonlyMap<ByteString, ByteString> {
    return this.#pax.xattrs
  }

  get path(): ByteString {
    const extended = this.#pax.sparseName ?? this.#pax.path
    if (extended !== undefined) return extended
    if (this.#longName !== undefined) return longText(this.#longName)
    const name = readText(this.#block, field.name)
    const prefix = this.format === 'ustar' ? readText(this.#block, field.prefix) : ''
    return prefix === '' ? name : `${prefix}/${name}`
  }

  /** Target of a hard or symbolic link; may be empty. */
  get linkTarget(): ByteString {
    if (this.#pax.linkpath !== undefined) return this.#pax.linkpath
    if (this.#longLink !== undefined) return longText(this.#longLink)
    return readText(this.#block, field.linkname)
  }

  /** st_rdev of a device; meaningless in an `old` header. */
  get rdev(): number | bigint {
    const major = readOctal(this.#block, field.devmajor)
    return makeDevice(major, readOctal(this.#block, field.devminor))
  }

  /** Whether `path` would be empty; the plain header is looked at without reading the name. */
  #hasNoPath(): boolean {
    if (this.#block[field.name.at] !== 0 && this.#longName === undefined && this.#pax === noPax) return false
    return this.path === ''
  }
}
