/** Paths of layer entries as names (oci.md §4.1). */
import { displayByteString, type ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'

/** For messages: a path or name that people can read, cut where it is absurdly long. */
export function shown(path: ByteString): string {
  return JSON.stringify(displayByteString(path.slice(0, 256)) + (path.length > 256 ? '…' : ''))
}

/** The names in a path; empty ones and `.` mean nothing. */
export function pathNames(path: ByteString): ByteString[] {
  const names: ByteString[] = []
  for (let at = 0; at < path.length;) {
    const slash = path.indexOf('/', at)
    const end = slash < 0 ? path.length : slash
    const name = path.slice(at, end)
    if (name !== '' && name !== '.') names.push(name)
    at = end + 1
  }
  return names
}

/** A path taken apart; `name` is undefined for the root, which is also meant by every path that ends in `..`. */
export interface SplitPath {
  readonly parents: ByteString[]
  readonly name: ByteString | undefined
}

/** @throws SluiceError for `..` before the end. */
export function splitPath(path: ByteString): SplitPath {
  const parents = pathNames(path)
  const name = parents.pop()
  if (name === '..') return { parents: [], name: undefined }
  if (parents.includes('..')) throw formatError('layer', `invalid file name ${shown(path)}: ".." inside a path`)
  return { parents, name }
}
