/** Entries of a directory, `(a(say)a(sayay))` (ostree.md §1.2). */
import { formatError } from '../../errors.js'
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import { writeValue } from '../gvariant/write.js'
import { ostreeIdFromBytes, ostreeIdToBytes, type OstreeId } from './ostree-id.js'

export interface DirtreeFile {
  readonly name: string
  readonly id: OstreeId
}

export interface DirtreeDirectory {
  readonly name: string
  readonly tree: OstreeId
  readonly meta: OstreeId
}

/** In stored order, which is that of names where libostree wrote it. */
export interface Dirtree {
  readonly files: readonly DirtreeFile[]
  readonly directories: readonly DirtreeDirectory[]
}

const dirtreeType =
  parseType<
    [
      files: readonly (readonly [name: string, id: Uint8Array])[],
      directories: readonly (readonly [name: string, tree: Uint8Array, meta: Uint8Array])[],
    ]
  >('(a(say)a(sayay))')

/** Adds a name to those that were seen. */
function checkName(name: string, seen: Set<string>): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/')) {
    throw formatError('dirtree', `${JSON.stringify(name.slice(0, 100))} is no name for a file`)
  }
  if (seen.has(name)) throw formatError('dirtree', `${JSON.stringify(name.slice(0, 100))} occurs twice`)
  seen.add(name)
}

/** @throws SluiceError `SLUICE_FORMAT`: malformed, a name that cannot be one, or one name for two things. */
export function readDirtree(bytes: Uint8Array): Dirtree {
  const [files, directories] = readValue(dirtreeType, bytes)
  const seen = new Set<string>()
  return {
    files: files.map((file) => {
      checkName(file[0], seen)
      return { name: file[0], id: ostreeIdFromBytes(file[1]) }
    }),
    directories: directories.map((directory) => {
      checkName(directory[0], seen)
      return {
        name: directory[0],
        tree: ostreeIdFromBytes(directory[1]),
        meta: ostreeIdFromBytes(directory[2]),
      }
    }),
  }
}

/** Keeps the order that is given: sort by the bytes of names for libostree. */
export function writeDirtree({ files, directories }: Dirtree): Buffer {
  return writeValue(dirtreeType, [
    files.map(({ name, id }) => [name, ostreeIdToBytes(id)] as const),
    directories.map(({ name, tree, meta }) => [name, ostreeIdToBytes(tree), ostreeIdToBytes(meta)] as const),
  ])
}
