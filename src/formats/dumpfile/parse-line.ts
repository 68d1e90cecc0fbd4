/** One line of a dumpfile (erofs.md §9). */
import { fromByteString, type ByteString } from '../bytes.js'
import { objectPath, parseObjectId, type HashAlgorithm } from '../digest.js'
import { formatError } from '../../errors.js'
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  noXattrs,
  type LeafContent,
  type Stat,
} from '../tree/tree.js'
import { optionalField, unescapeField } from './escape.js'
import { parseNanoseconds, parseSeconds, parseU32, parseU64 } from './parse-number.js'

/** What a line says about its path. */
export type ParsedLine =
  | { readonly kind: 'hardlink'; readonly path: ByteString; readonly target: ByteString }
  | { readonly kind: 'directory'; readonly path: ByteString; readonly stat: Stat }
  | {
      readonly kind: 'leaf'
      readonly path: ByteString
      readonly stat: Stat
      readonly content: LeafContent
      /** As the line has it, honest or not. */
      readonly nlink: number
    }

/** Fields 9 to 11, without their escapes; undefined for one that is not set. */
interface Details {
  readonly payload: ByteString | undefined
  readonly content: ByteString | undefined
  readonly digest: ByteString | undefined
}

const FIXED_FIELDS = 11
/** Limits of the C tool; the xattr sum is that of a 15-bit size with its overhead per entry. */
const MAX_CONTENT = 5000
const MAX_TARGET = 4095
const MAX_FILE_SIZE = 1n << 53n
const MAX_XATTR_TEXT = 65535
const MAX_XATTR_VALUE = 65535
const MAX_XATTR_KEY = 255
const MAX_XATTR_SUM = 32767

const knownTypes = new Set([S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK])

/** Parses `text`, a line without its newline. `algorithm` is that of the DIGEST column. */
export function parseLine(text: ByteString, algorithm: HashAlgorithm): ParsedLine {
  if (text.includes('\0')) throw formatError('dumpfile', 'a NUL byte')
  // With more fields than that, the xattrs are too long together; a line of spaces is not taken apart to the end.
  const fields = text.split(' ', FIXED_FIELDS + MAX_XATTR_TEXT)
  // As in the C tool, whose fuzzing corpus holds such lines, missing fields are empty; an empty number is refused.
  while (fields.length < FIXED_FIELDS) fields.push('')
  const path = withoutNul(unescapeField(fields[0]), 'PATH')
  const hardlink = fields[2].startsWith('@')
  const mode = parseU32(hardlink ? fields[2].slice(1) : fields[2], 'MODE', 8)
  const type = mode & S_IFMT
  if (!knownTypes.has(type)) throw formatError('dumpfile', `unknown file type 0${type.toString(8)}`)
  if (hardlink) return { kind: 'hardlink', path, target: parseLinkTarget(fields[8], type) }
  // Also of types that have no use for them, as a bad escape is an error anywhere.
  const details: Details = {
    payload: optionalField(fields[8]),
    content: optionalField(fields[9]),
    // Of a line that ends in CR LF; digests are the one last field where the CR has no meaning in either reference.
    digest: optionalField(fields[10].replace(/\r$/, '')),
  }
  const nlink = parseU32(fields[3], 'NLINK')
  const stat = parseStat(fields, mode)
  const size = parseU64(fields[1], 'SIZE')
  const rdev = parseU32(fields[6], 'RDEV')
  if (type === S_IFDIR) return { kind: 'directory', path, stat }
  return { kind: 'leaf', path, stat, content: parseContent(details, type, size, rdev, algorithm), nlink }
}

function withoutNul(value: ByteString, name: string): ByteString {
  if (value.includes('\0')) throw formatError('dumpfile', `NUL in ${name}`)
  return value
}

function parseLinkTarget(field: ByteString, type: number): ByteString {
  if (type === S_IFDIR) throw formatError('dumpfile', 'a hard link to a directory')
  const target = optionalField(field)
  if (target === undefined) throw formatError('dumpfile', 'a hard link without target')
  return withoutNul(target, 'PAYLOAD')
}

function parseStat(fields: readonly ByteString[], mode: number): Stat {
  const mtime = fields[7]
  const dot = mtime.indexOf('.')
  if (dot < 0) throw formatError('dumpfile', `MTIME ${JSON.stringify(mtime.slice(0, 40))} is not SECONDS.NANOSECONDS`)
  return {
    mode: mode & 0o7777,
    uid: parseU32(fields[4], 'UID'),
    gid: parseU32(fields[5], 'GID'),
    mtime: parseSeconds(mtime.slice(0, dot)),
    mtimeNsec: parseNanoseconds(mtime.slice(dot + 1)),
    xattrs: parseXattrs(fields),
  }
}

function parseXattrs(fields: readonly ByteString[]): ReadonlyMap<ByteString, ByteString> {
  // The C tool passes over one space at the end of a line.
  const count = fields.at(-1) === '' ? fields.length - 1 : fields.length
  if (count <= FIXED_FIELDS) return noXattrs
  const xattrs = new Map<ByteString, ByteString>()
  let textLength = -1
  for (const field of fields.slice(FIXED_FIELDS, count)) {
    textLength += field.length + 1
    const equals = field.indexOf('=')
    if (equals < 0) throw formatError('dumpfile', `xattr ${JSON.stringify(field.slice(0, 40))} without "="`)
    const key = withoutNul(unescapeField(field.slice(0, equals)), 'an xattr key')
    const value = unescapeField(field.slice(equals + 1))
    if (key === '' || key.length > MAX_XATTR_KEY) throw formatError('dumpfile', `xattr key of ${key.length} bytes`)
    if (value.length > MAX_XATTR_VALUE) throw formatError('dumpfile', `xattr value of ${value.length} bytes`)
    xattrs.set(key, value)
  }
  let sum = 12
  for (const [key, value] of xattrs) sum += key.length + value.length + 7
  if (sum > MAX_XATTR_SUM || textLength > MAX_XATTR_TEXT) throw formatError('dumpfile', 'too many bytes of xattrs')
  return xattrs
}

function parseContent(
  details: Details,
  type: number,
  size: bigint,
  rdev: number,
  algorithm: HashAlgorithm,
): LeafContent {
  switch (type) {
    case S_IFREG:
      return parseRegular(details, size, algorithm)
    case S_IFLNK: {
      const target = withoutNul(details.payload ?? '', 'PAYLOAD')
      if (target === '' || target.length > MAX_TARGET) {
        throw formatError('dumpfile', `symlink target of ${target.length} bytes (1 to ${MAX_TARGET} are possible)`)
      }
      return { type: 'symlink', target }
    }
    case S_IFCHR:
      return { type: 'chr', rdev }
    case S_IFBLK:
      return { type: 'blk', rdev }
    case S_IFIFO:
      return { type: 'fifo' }
    default:
      return { type: 'sock' }
  }
}

/** CONTENT wins over PAYLOAD and DIGEST; neither counts for a file of size 0. */
function parseRegular(details: Details, declared: bigint, algorithm: HashAlgorithm): LeafContent {
  const { digest } = details
  const payload = withoutNul(details.payload ?? '', 'PAYLOAD')
  const data = fromByteString(details.content ?? '')
  const id = digest === undefined ? undefined : parseObjectId(algorithm, digest)
  if (data.length > MAX_CONTENT) throw formatError('dumpfile', `CONTENT of ${data.length} bytes (limit ${MAX_CONTENT})`)
  if (data.length > 0 && BigInt(data.length) !== declared) {
    throw formatError('dumpfile', `CONTENT has ${data.length} bytes but SIZE is ${declared}`)
  }
  if (data.length > 0 || declared === 0n) return { type: 'inline', data }
  if (declared > MAX_FILE_SIZE) throw formatError('dumpfile', `file too large: ${declared} bytes (2^53 are possible)`)
  const size = Number(declared)
  if (id !== undefined) return { type: 'external', id, size, ...(payload === objectPath(id) ? {} : { path: payload }) }
  return payload === '' ? { type: 'sparse', size } : { type: 'external-no-verity', path: payload, size }
}
