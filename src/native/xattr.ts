/** Extended attributes of files; Node has no calls for them, and there is no fallback. */
import type { ByteString } from '../formats/bytes.js'
import { call, callError, tryCall } from './libc.js'

/** The kernel's own limit for a value, and for the list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const MAX_BYTES = 64 * 1024
/** In use only while a call runs. */
let buffer: Buffer | undefined

/** No such attribute; or a file system that has none. */
const none: ReadonlySet<string> = new Set(['ENODATA', 'EOPNOTSUPP'])

/**
 * The value of an attribute of the file itself, not of what a link points to; undefined if it has none of that name.
 *
 * @throws SluiceError `SLUICE_NATIVE` if native code is off, or the file cannot be read.
 */
export function readXattr(path: string, name: ByteString): Buffer | undefined {
  buffer ??= Buffer.allocUnsafeSlow(MAX_BYTES)
  const { value, errno } = tryCall('lgetxattr', path, Buffer.from(`${name}\0`, 'latin1'), buffer, MAX_BYTES)
  if (errno === undefined) return Buffer.from(buffer.subarray(0, value))
  if (none.has(errno)) return undefined
  throw callError('lgetxattr', errno)
}

/** Whether an open file has an attribute, whatever its value. */
export function hasXattr(fd: number, name: ByteString): boolean {
  const { errno } = tryCall('fgetxattr', fd, Buffer.from(`${name}\0`, 'latin1'), 0, 0)
  if (errno === undefined || errno === 'ERANGE') return true
  if (none.has(errno)) return false
  throw callError('fgetxattr', errno)
}

/** The names of all attributes of the file itself, in byte order. */
export function listXattrs(path: string): ByteString[] {
  buffer ??= Buffer.allocUnsafeSlow(MAX_BYTES)
  const { value, errno } = tryCall('llistxattr', path, buffer, MAX_BYTES)
  if (errno !== undefined && none.has(errno)) return []
  if (errno !== undefined) throw callError('llistxattr', errno)
  const names = buffer.toString('latin1', 0, value).split('\0')
  return names.slice(0, -1).sort()
}

/**
 * Gives the file itself an attribute, or another value of it.
 *
 * @throws SluiceError `SLUICE_NATIVE` with `details.errno`: `EOPNOTSUPP` if the file system has none of this kind.
 */
export function writeXattr(path: string, name: ByteString, value: Uint8Array): void {
  call('lsetxattr', path, Buffer.from(`${name}\0`, 'latin1'), value, value.length, 0)
}
