/** storage.conf: what of it says where images are (containers-storage.md §1.1). Values come as a TOML parser gives them. */
import { SluiceError } from '../../errors.js'
import { isRecord, valueInAnyCase } from '../json.js'
import { normalDriver } from './store-reference.js'

/** What files said so far; undefined where none did. Paths are as written. */
export interface StorageConf {
  readonly driver: string | undefined
  readonly graphroot: string | undefined
  readonly rootlessStoragePath: string | undefined
  readonly imageStore: string | undefined
  readonly additionalImageStores: readonly string[]
}

export const emptyStorageConf: StorageConf = {
  driver: undefined,
  graphroot: undefined,
  rootlessStoragePath: undefined,
  imageStore: undefined,
  additionalImageStores: [],
}

/**
 * `earlier` with the keys that a file sets.
 *
 * @param document the parsed file.
 * @param path of the file, for errors.
 */
export function mergeStorageConf(earlier: StorageConf, document: unknown, path: string): StorageConf {
  const storage = table(document, 'storage', path)
  const options = table(storage, 'options', path)
  const driver = text(storage, 'driver', path)
  return {
    driver: driver === undefined ? earlier.driver : normalDriver(driver),
    graphroot: text(storage, 'graphroot', path) ?? earlier.graphroot,
    rootlessStoragePath: text(storage, 'rootless_storage_path', path) ?? earlier.rootlessStoragePath,
    imageStore: text(storage, 'imagestore', path) ?? earlier.imageStore,
    additionalImageStores: mergeList(
      earlier.additionalImageStores,
      valueInAnyCase(options, 'additionalimagestores'),
      path,
    ),
  }
}

/** A list replaces the earlier one, unless a member of it is `{append=true}`. A member may be several, parted by commas. */
function mergeList(earlier: readonly string[], value: unknown, path: string): readonly string[] {
  if (value === undefined) return earlier
  if (!Array.isArray(value)) throw wrong(path, 'additionalimagestores is not a list')
  const stores: string[] = []
  let append = false
  for (const item of value as unknown[]) {
    if (typeof item === 'string') stores.push(...item.split(','))
    else if (isRecord(item) && typeof valueInAnyCase(item, 'append') === 'boolean')
      append = valueInAnyCase(item, 'append') === true
    else throw wrong(path, 'additionalimagestores has a member that is neither a path nor {append=true}')
  }
  return (append ? [...earlier, ...stores] : stores).filter((store) => store !== '')
}

type Table = Readonly<Record<string, unknown>>

function table(parent: unknown, key: string, path: string): Table {
  const value = isRecord(parent) ? valueInAnyCase(parent, key) : undefined
  if (value === undefined) return {}
  if (isRecord(value)) return value
  throw wrong(path, `${key} is not a table`)
}

/** An empty text sets nothing. */
function text(parent: Table, key: string, path: string): string | undefined {
  const value = valueInAnyCase(parent, key)
  if (value === undefined || value === '') return undefined
  if (typeof value === 'string') return value
  throw wrong(path, `${key} is not a text`)
}

function wrong(path: string, what: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `${path}: ${what}`)
}
