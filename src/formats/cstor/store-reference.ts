/** What follows `containers-storage:`: an optional store part, then a name, id or digest (containers-storage.md §3.1). */
import { SluiceError } from '../../errors.js'
import { quote } from '../quote.js'
import { parseStoreOptions, type StoreOptions } from './store-options.js'

export interface StoreReference {
  readonly store: StorePart | undefined
  readonly image: string
}

/** `[driver@graphroot+runroot:options]` */
export interface StorePart {
  readonly driver: string | undefined
  /** Absolute. */
  readonly graphroot: string
  readonly options: StoreOptions
}

/** @throws SluiceError `SLUICE_USAGE` for a store part that is none. */
export function parseStoreReference(text: string): StoreReference {
  if (!text.startsWith('[')) return { store: undefined, image: text }
  const end = text.indexOf(']')
  const parts = /^(?:([^@/]*)@)?(\/[^+:]*)(?:\+([^:]*))?(?::(.*))?$/s.exec(text.slice(1, end))
  if (end < 0 || parts === null) {
    throw new SluiceError('SLUICE_USAGE', `not a store: ${quote(text)}`, {
      hint: 'write [driver@/graphroot+/runroot:options]name; driver, runroot and options may be left out',
    })
  }
  const [, driver, graphroot, , options] = parts
  return {
    store: {
      driver: driver === undefined || driver === '' ? undefined : normalDriver(driver),
      graphroot,
      options: parseStoreOptions(options ?? ''),
    },
    image: text.slice(end + 1),
  }
}

export function normalDriver(driver: string): string {
  return driver === 'overlay2' ? 'overlay' : driver
}
