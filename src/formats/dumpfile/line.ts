/** Lines of a composefs dumpfile as they are written (erofs.md §9.1, §9.4). */
import { toByteString, type ByteString } from '../bytes.js'

/** One name of a dumpfile with all that is said about it. Numbers are printed as they are; nothing is checked. */
export interface DumpLine {
  /** Absolute path, unescaped. */
  readonly path: ByteString
  /** Bytes. */
  readonly size: bigint | number
  /** Full st_mode: type and permission bits. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: bigint | number
  /** Seconds. */
  readonly mtime: bigint
  /** 0..999,999,999. */
  readonly mtimeNsec: number
  /** Backing path of a regular file, target of a symlink; missing or empty prints `-`. */
  readonly payload?: ByteString | undefined
  /** Inline content of a regular file; missing or empty prints `-`. */
  readonly content?: Uint8Array | undefined
  /** fs-verity digest in hex; missing prints `-`. */
  readonly digest?: string | undefined
  /** Printed in the order given. */
  readonly xattrs?: Iterable<readonly [ByteString, ByteString]>
}

const named: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function hexEscape(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** Everything but printable ASCII without the space; the backslash has its own short form. */
const unsafe = /[^\x21-\x7e]|\\/g
const unsafeInXattr = /[^\x21-\x7e]|[\\=]/g

function escapeByte(byte: string): string {
  return named[byte] ?? hexEscape(byte)
}

/** A value of the fixed fields: `-` alone would read as "not set". */
function escapeField(value: ByteString): ByteString {
  return value === '-' ? hexEscape(value) : value.replace(unsafe, escapeByte)
}

/** Nothing is written `-`, in any field. */
function optionalField(value: ByteString | undefined): ByteString {
  return value === undefined || value === '' ? '-' : escapeField(value)
}

function escapeXattr(value: ByteString): ByteString {
  return value.replace(unsafeInXattr, escapeByte)
}

/** The line of one inode name, without the newline. */
export function formatDumpLine(line: DumpLine): ByteString {
  const content = line.content === undefined ? undefined : toByteString(line.content)
  let text =
    `${optionalField(line.path)} ${line.size} ${line.mode.toString(8)} ${line.nlink} ${line.uid} ${line.gid} ` +
    `${line.rdev} ${line.mtime}.${line.mtimeNsec} ${optionalField(line.payload)} ${optionalField(content)} ` +
    (line.digest ?? '-')
  for (const [key, value] of line.xattrs ?? []) text += ` ${escapeXattr(key)}=${escapeXattr(value)}`
  return text
}

/** The line of a further name of an inode that was printed before under `target`, without the newline. */
export function formatHardlinkLine(path: ByteString, target: ByteString): ByteString {
  return `${optionalField(path)} 0 @120000 - - - - 0.0 ${optionalField(target)} - -`
}
