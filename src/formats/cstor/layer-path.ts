/** The path below a layer's directory that a name in its tar-split means (containers-storage.md §2.2). */
import { displayByteString, type ByteString } from '../bytes.js'

/** PATH_MAX with its NUL: the kernel takes no longer path. */
const MAX_PATH = 4095

/** Drops leading slashes, `.` and empty parts; undefined if the name leads outside or cannot be a file. */
export function layerPath(name: ByteString): ByteString | undefined {
  if (plain.test(name)) return name.length <= MAX_PATH ? name : undefined
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.length === 0 || parts.includes('..') || name.includes('\0')) return undefined
  const path = parts.join('/')
  return path.length <= MAX_PATH ? path : undefined
}

/** Most names: no part begins with a point or is empty. */
const plain = /^(?:[^./\0][^/\0]*)(?:\/[^./\0][^/\0]*)*$/

export function showLayerPath(path: ByteString): string {
  return printable.test(path) ? path : displayByteString(path.slice(0, 400))
}

const printable = /^[ -~]{0,400}$/
