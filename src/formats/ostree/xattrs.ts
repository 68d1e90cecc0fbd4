/** Extended attributes as ostree keeps them: `a(ayay)`, names with one zero byte at their end (ostree.md §1.2, §5.2). */
import { parseType } from '../gvariant/type.js'
import { readValue } from '../gvariant/read.js'
import { writeValue } from '../gvariant/write.js'
import { fromByteString, toByteString, type ByteString } from '../bytes.js'

/** Names as stored, which is with the zero byte. */
export type OstreeXattrs = readonly (readonly [name: Uint8Array, value: Uint8Array])[]

const xattrsType = parseType<OstreeXattrs>('a(ayay)')

/** A `.file-xattrs` object. @throws SluiceError `SLUICE_FORMAT` */
export function readXattrs(bytes: Uint8Array): OstreeXattrs {
  return readValue(xattrsType, bytes)
}

export function writeXattrs(xattrs: OstreeXattrs): Buffer {
  return writeValue(xattrsType, xattrs)
}

/** In byte order of names, as ostree hashes them. */
export function sortXattrs(xattrs: OstreeXattrs): OstreeXattrs {
  return [...xattrs].sort(([a], [b]) => Buffer.compare(a, b))
}

/**
 * For the file tree of an image; of a name that occurs twice the last value counts.
 *
 * @param keepZero leaves the zero byte at the end of names, as the reference does (§5.2).
 */
export function xattrMap(xattrs: OstreeXattrs, keepZero: boolean): Map<ByteString, ByteString> {
  return new Map(
    xattrs.map(([name, value]) => [
      toByteString(!keepZero && name.at(-1) === 0 ? name.subarray(0, -1) : name),
      toByteString(value),
    ]),
  )
}

/** The value of this one is a C string in ostree, too. */
const SELINUX = 'security.selinux'

const endsWithZero = (text: ByteString): boolean => text.endsWith('\0')

/**
 * Of a file tree, sorted; names get the zero byte that they have in ostree, unless they have it already.
 *
 * @param keepNames leaves names as they are, as the reference does (§5.5).
 */
export function xattrsOfMap(map: ReadonlyMap<ByteString, ByteString>, keepNames: boolean): OstreeXattrs {
  return sortXattrs(
    [...map].map(([name, value]) => [
      fromByteString(keepNames || endsWithZero(name) ? name : `${name}\0`),
      fromByteString(name === SELINUX && !endsWithZero(value) ? `${value}\0` : value),
    ]),
  )
}
