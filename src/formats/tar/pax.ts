/** Records of a pax extended header, `<length> <key>=<value>\n` (oci.md §2.4). */
import { isUtf8 } from 'node:buffer'
import { displayByteString, fromByteString, type ByteString } from '../bytes.js'
import { formatError, type SluiceError } from '../../errors.js'
import { noXattrs } from '../tree/tree.js'

/** What the records of one entry say; missing where they say nothing. */
export interface PaxAttributes {
  readonly path?: ByteString
  readonly linkpath?: ByteString
  /** Bytes; not exact above 2^53. */
  readonly size?: number
  /** Low 32 bits. */
  readonly uid?: number
  readonly gid?: number
  /** Seconds, signed. */
  readonly mtime?: bigint
  /** 0..999,999,999. */
  readonly mtimeNsec: number
  readonly xattrs: ReadonlyMap<ByteString, ByteString>
  /** The real name of a file that a GNU tar stored sparse; beats `path`. */
  readonly sparseName?: ByteString
  /** Whether the records describe holes: GNU sparse formats 0.0, 0.1 and 1.0. */
  readonly sparse: boolean
}

export const noPax: PaxAttributes = { mtimeNsec: 0, xattrs: noXattrs, sparse: false }

const XATTR_PREFIX = 'SCHILY.xattr.'
const U64_MAX = 2n ** 64n - 1n
const ZERO = 0x30
/** Decimal numbers of so many digits are exact. */
const EXACT_DIGITS = 15

// oxlint-disable-next-line no-control-regex
const isAscii = (text: ByteString): boolean => /^[\0-\x7f]*$/.test(text)

/** Digits, optionally after a plus, as a u64; else undefined. Checks the length first: `BigInt` is slow on long text. */
function parseU64(text: ByteString): bigint | undefined {
  const digits = text.replace(/^\+?0*(?=[0-9])/, '')
  if (!/^[0-9]{1,20}$/.test(digits)) return undefined
  const value = BigInt(digits)
  return value > U64_MAX ? undefined : value
}

function badValue(key: ByteString, value: ByteString): SluiceError {
  return formatError('tar', `pax ${key} is not a decimal number: "${displayByteString(value.slice(0, 64))}"`)
}

function requireU64(key: ByteString, text: ByteString): bigint {
  const value = parseU64(text)
  if (value === undefined) throw badValue(key, text)
  return value
}

/** Digits behind the point as nanoseconds: nine of them count, fewer are scaled, anything unreadable is 0. */
function nanoseconds(mtime: ByteString): number {
  const point = mtime.indexOf('.')
  const digits = point < 0 ? '' : mtime.slice(point + 1, point + 10)
  return /^\+?[0-9]+$/.test(digits) ? Number(digits) * 10 ** (9 - digits.length) : 0
}

function seconds(mtime: ByteString): bigint {
  // The fraction may be anything, but it must be text.
  if (!isAscii(mtime) && !isUtf8(fromByteString(mtime))) throw badValue('mtime', mtime)
  const point = mtime.indexOf('.')
  return BigInt.asIntN(64, requireU64('mtime', point < 0 ? mtime : mtime.slice(0, point)))
}

/** One record. */
interface PaxRecord {
  readonly key: ByteString
  readonly value: ByteString
  /** Where the next one begins. */
  readonly end: number
}

/**
 * The record at `at`; undefined where no number stands at its start (some writers pad with NULs), which ends them silently.
 * Any other disorder is an error.
 */
function readRecord(body: Buffer, at: number): PaxRecord | undefined {
  const space = body.indexOf(0x20, at)
  if (space < 0) return undefined
  const stated = readLength(body, at, space)
  if (stated === undefined) return undefined
  const end = at + stated
  const equals = body.indexOf(0x3d, space + 1)
  if (end > body.length || end <= space + 1 || body[end - 1] !== 0x0a || equals < 0 || equals >= end) {
    throw formatError('tar', `malformed pax record at byte ${at} of the extended header`)
  }
  const key = body.toString('latin1', space + 1, equals)
  if (!isAscii(key) && !isUtf8(body.subarray(space + 1, equals))) throw formatError('tar', 'a pax key is not UTF-8')
  return { key, value: body.toString('latin1', equals + 1, end - 1), end }
}

/** As `parseU64`; not exact above 2^53, where no record ends. Many layers have records for each entry, most of them short. */
function readLength(body: Buffer, at: number, end: number): number | undefined {
  let length = 0
  for (let i = at; i < end; i++) {
    const digit = body[i] - ZERO
    if (digit < 0 || digit > 9 || end - at > EXACT_DIGITS) {
      const value = parseU64(body.toString('latin1', at, end))
      return value === undefined ? undefined : Number(value)
    }
    length = length * 10 + digit
  }
  return at === end ? undefined : length
}

/** What records of GNU sparse formats say together, in the order in which they come (oci.md §2.2). */
class SparseRecords {
  hasHoles = false
  readonly #numbers = new Map<ByteString, bigint>()
  #hasVersion = false

  take(key: ByteString, number: bigint): void {
    this.#numbers.set(key, number)
    const major = this.#numbers.get('GNU.sparse.major')
    const minor = this.#numbers.get('GNU.sparse.minor')
    // As in the reference: a version that is complete stays, and a length counts behind its offset.
    if (!this.#hasVersion && major !== undefined && minor !== undefined) {
      this.#hasVersion = true
      this.hasHoles ||= major === 1n && minor === 0n
    }
    this.hasHoles ||= key === 'GNU.sparse.numbytes' && this.#numbers.has('GNU.sparse.offset')
  }
}

/**
 * The attributes in the body of an `x` header; later records override earlier ones.
 * @throws SluiceError for malformed records and numbers.
 */
export function parsePax(body: Buffer): PaxAttributes {
  const found: { -readonly [K in keyof PaxAttributes]: PaxAttributes[K] } = { ...noPax }
  let xattrs: Map<ByteString, ByteString> | undefined
  let sparse: SparseRecords | undefined
  for (let at = 0; at < body.length;) {
    const record = readRecord(body, at)
    if (record === undefined) break
    const { key, value } = record
    at = record.end
    switch (key) {
      case 'path':
      case 'linkpath':
        found[key] = value
        break
      case 'size':
        found.size = Number(requireU64(key, value))
        break
      case 'uid':
      case 'gid':
        found[key] = Number(BigInt.asUintN(32, requireU64(key, value)))
        break
      case 'mtime':
        // The fraction is the first record's, the seconds are the last one's (oci.md §2.4).
        if (found.mtime === undefined) found.mtimeNsec = nanoseconds(value)
        found.mtime = seconds(value)
        break
      case 'GNU.sparse.name':
        found.sparseName = value
        break
      case 'GNU.sparse.map':
        found.sparse = true
        break
      case 'GNU.sparse.major':
      case 'GNU.sparse.minor':
      case 'GNU.sparse.offset':
      case 'GNU.sparse.numbytes':
      case 'GNU.sparse.realsize':
      case 'GNU.sparse.size':
        sparse ??= new SparseRecords()
        sparse.take(key, requireU64(key, value))
        break
      default:
        if (key.startsWith(XATTR_PREFIX)) {
          xattrs = (xattrs ?? new Map<ByteString, ByteString>()).set(key.slice(XATTR_PREFIX.length), value)
        }
    }
  }
  if (sparse?.hasHoles === true) found.sparse = true
  if (xattrs !== undefined) found.xattrs = xattrs
  return found
}
