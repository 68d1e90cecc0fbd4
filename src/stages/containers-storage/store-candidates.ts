/** Where stores may be, in the order in which they are asked (containers-storage.md §1.2). */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { StorageConf } from '../../formats/cstor/storage-conf.js'
import { parseStoreOptions } from '../../formats/cstor/store-options.js'
import { normalDriver, type StorePart } from '../../formats/cstor/store-reference.js'
import type { StoragePlaces } from './load-storage-conf.js'

export interface StoreCandidate {
  readonly path: string
  /** Drivers to try, in this order. */
  readonly drivers: readonly string[]
  /** Whether somebody named it for this very run, so that it is an error if there is none. */
  readonly named: boolean
}

export interface NamedStores {
  readonly storageRoot?: string | undefined
  readonly additionalStores?: readonly string[] | undefined
  /** Of the image reference. */
  readonly part?: StorePart | undefined
}

/** @throws SluiceError `SLUICE_USAGE` */
export function storeCandidates(
  { storageRoot, additionalStores = [], part }: NamedStores,
  conf: StorageConf,
  places: StoragePlaces,
): StoreCandidate[] {
  if (storageRoot === '' || additionalStores.includes('')) {
    throw new SluiceError('SLUICE_USAGE', 'the name of a containers-storage is empty', {
      hint: 'give its graphroot, or leave the option out',
    })
  }
  const { env } = places
  const root = storageRoot ?? part?.graphroot
  const drivers = driversToTry(part?.driver ?? (env['STORAGE_DRIVER'] || conf.driver))
  const candidates = new Map<string, StoreCandidate>()
  const add = (paths: readonly (string | undefined)[], named: boolean): void => {
    for (const path of paths) {
      if (path === undefined || path === '') continue
      const real = realPath(path)
      if (!candidates.has(real)) candidates.set(real, { path: real, drivers, named })
    }
  }
  if (root !== undefined) add([root], true)
  else add(primaryStores(conf, places), false)
  add(additionalStores, true)
  add([...(part?.options.additionalImageStores ?? []), ...(part?.options.imageStores ?? [])], true)
  add(furtherStores(conf, places), false)
  return [...candidates.values()]
}

function primaryStores(conf: StorageConf, places: StoragePlaces): (string | undefined)[] {
  const { env, home, uid } = places
  const userData = env['XDG_DATA_HOME']
  return [
    env['CONTAINERS_STORAGE_ROOT'],
    // `podman unshare` exports it; elsewhere it means nothing to podman.
    env['_CONTAINERS_USERNS_CONFIGURED'] ? env['CONTAINERS_GRAPHROOT'] : undefined,
    expand(conf.graphroot, places),
    // Libraries differ in which of the two a user has where a file of the system sets both.
    uid === 0 ? undefined : expand(conf.rootlessStoragePath, places),
    userData ? join(userData, 'containers/storage') : undefined,
    join(home, '.local/share/containers/storage'),
    '/var/lib/containers/storage',
  ]
}

/** `STORAGE_OPTS` takes the place of all options of files; `imagestore` is none there. */
function furtherStores(conf: StorageConf, places: StoragePlaces): (string | undefined)[] {
  const text = places.env['STORAGE_OPTS']
  const { additionalImageStores, imageStores } = text ? parseStoreOptions(text) : { ...conf, imageStores: [] }
  return [...additionalImageStores, ...imageStores, conf.imageStore].map((path) => expand(path, places))
}

/** With variables of the environment in place of `$NAME`; `$UID` is the person's. */
function expand(path: string | undefined, { env, uid }: StoragePlaces): string | undefined {
  return path?.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? ''
    return name === 'UID' ? String(uid) : (env[name] ?? '')
  })
}

function driversToTry(stated: string | undefined): string[] {
  return [...new Set([...(stated ? [normalDriver(stated)] : []), 'overlay', 'vfs'])]
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
