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

function checkNames(names: Iterable<string>): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (name === '' || name === '.' || name === '..' || name.includes('/')) {
      throw formatError('dirtree', `${JSON.stringify(name.slice(0, 100))} is no name for a file`)
    }
    if (seen.has(name)) throw formatError('dirtree', `${JSON.stringify(name.slice(0, 100))} occurs twice`)
    seen.add(name)
  }
}

/** @throws SluiceError `SLUICE_FORMAT`: malformed, a name that cannot be one, or one name for two things. */
export function readDirtree(bytes: Uint8Array): Dirtree {
  const [files, directories] = readValue(dirtreeType, bytes)
  checkNames([...files, ...directories].map(([name]) => name))
  return {
    files: files.map(([name, id]) => ({ name, id: ostreeIdFromBytes(id) })),
    directories: directories.map(([name, tree, meta]) => ({
      name,
      tree: ostreeIdFromBytes(tree),
      meta: ostreeIdFromBytes(meta),
    })),
  }
}

/** Keeps the order that is given: sort by the bytes of names for libostree. */
export function writeDirtree({ files, directories }: Dirtree): Buffer {
  return writeValue(dirtreeType, [
    files.map(({ name, id }) => [name, ostreeIdToBytes(id)] as const),
    directories.map(({ name, tree, meta }) => [name, ostreeIdToBytes(tree), ostreeIdToBytes(meta)] as const),
  ])
}
