/** Finds and reads storage.conf, its drop-ins and its overrides (containers-storage.md §1.1). */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, SluiceError } from '../../errors.js'
import { emptyStorageConf, mergeStorageConf, type StorageConf } from '../../formats/cstor/storage-conf.js'
import { homeOfUser } from '../fetch/config-places.js'

/** Where this process would look for stores and their configuration. */
export interface StoragePlaces {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  /** Of the person, outside of any user namespace. */
  readonly uid: number
  /** Folders of the system's configuration, least important first. */
  readonly system: readonly string[]
}

export function storagePlaces(env: StoragePlaces['env']): StoragePlaces {
  return {
    env,
    home: env['HOME'] || homeOfUser(),
    // Within `podman unshare` the uid is 0.
    uid: Number(env['_CONTAINERS_ROOTLESS_UID'] || (process.getuid?.() ?? 0)),
    system: ['/usr/share/containers', '/etc/containers'],
  }
}

/** Nothing at all is an empty configuration. */
export async function loadStorageConf(places: StoragePlaces): Promise<StorageConf> {
  const stated = statedFile(places, 'CONTAINERS_STORAGE_CONF')
  const override = statedFile(places, 'CONTAINERS_STORAGE_CONF_OVERRIDE')
  const found =
    stated.length > 0 ? [] : [...(await mainFile(places)), ...(await dropIns(places))].map((path) => ({ path }))
  let conf = emptyStorageConf
  for (const file of [...stated, ...found, ...override]) {
    // Only where there is a file, as loading the parser takes 4 ms.
    const { parseToml } = await import('../../formats/toml.js')
    conf = mergeStorageConf(conf, parseToml(await readConf(file), file.path), file.path)
  }
  return conf
}

interface ConfFile {
  readonly path: string
  /** The variable of the environment that names it, if one does. */
  readonly variable?: string
}

function statedFile({ env }: StoragePlaces, variable: string): ConfFile[] {
  const path = env[variable]
  return path ? [{ path, variable }] : []
}

function userFolder({ env, home }: StoragePlaces): string {
  return join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers')
}

/** The first that exists: one main file is read, and no other. */
async function mainFile(places: StoragePlaces): Promise<string[]> {
  for (const folder of [userFolder(places), ...places.system.toReversed()]) {
    const path = join(folder, 'storage.conf')
    if (await isFile(path)) return [path]
  }
  return []
}

/** Links are followed; one that leads nowhere is no file. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (absent.has(errnoOf(error))) return false
    throw unreadable(path, error)
  }
}

/** A folder that must not be looked into is as good as none: the Go tools skip it, too. */
const absent: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EACCES'])

/** Sorted by their names over all folders; of equal names the last folder's counts. */
async function dropIns(places: StoragePlaces): Promise<string[]> {
  const { uid, system } = places
  const special =
    uid === 0 ? ['storage.rootful.conf.d'] : ['storage.rootless.conf.d', join('storage.rootless.conf.d', String(uid))]
  const folders = [
    ...system.flatMap((folder) => ['storage.conf.d', ...special].map((name) => join(folder, name))),
    join(userFolder(places), 'storage.conf.d'),
  ]
  const paths = new Map<string, string>()
  for (const folder of folders) {
    for (const name of await filesIn(folder)) {
      if (name.endsWith('.conf')) paths.set(name, join(folder, name))
    }
  }
  return [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
}

/** Names of regular files; no links. */
async function filesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  } catch (error) {
    if (absent.has(errnoOf(error))) return []
    throw unreadable(folder, error)
  }
}

async function readConf({ path, variable }: ConfFile): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(
      path,
      error,
      variable && `the variable ${variable} names this file: set it to another one, or unset it`,
    )
  })
}

function unreadable(path: string, cause: unknown, hint?: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `cannot read ${path}: ${errnoOf(cause) ?? String(cause)}`, {
    cause,
    ...(hint !== undefined && { hint }),
  })
}
