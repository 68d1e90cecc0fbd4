/** Finds and reads registries.conf, its drop-ins, and the aliases that other tools recorded. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, SluiceError } from '../../../errors.js'
import { userConfigFolder, type ConfigPlaces } from '../config-places.js'
import {
  emptyRegistriesConf,
  mergeRegistriesConf,
  parseRegistriesConf,
  type RegistriesConf,
} from './registries-conf.js'

/**
 * The file of `CONTAINERS_REGISTRIES_CONF` alone if it is set; else the user's, or if there is none the system's, and the
 * drop-ins of both sorted by name, the user's last. Nothing at all is an empty configuration. @param uid of the user.
 */
export async function loadRegistriesConf(
  places: ConfigPlaces,
  uid: number | undefined = process.getuid?.(),
): Promise<RegistriesConf> {
  const stated = places.environment['CONTAINERS_REGISTRIES_CONF']
  if (stated !== undefined && stated !== '') return parseRegistriesConf(await readStated(stated), stated)
  const user = userConfigFolder(places)
  const system = join(places.etc, 'containers')
  let conf = (await readConf(join(user, 'registries.conf'))) ?? (await readConf(join(system, 'registries.conf')))
  for (const folder of [system, user]) {
    for (const path of await dropIns(join(folder, 'registries.conf.d'))) {
      conf = mergeRegistriesConf(conf ?? emptyRegistriesConf, (await readConf(path)) ?? emptyRegistriesConf)
    }
  }
  const recorded = await readConf(recordedAliases(places, uid))
  return mergeRegistriesConf(conf ?? emptyRegistriesConf, {
    ...emptyRegistriesConf,
    aliases: recorded?.aliases ?? new Map(),
  })
}

/** Where podman writes down which registry a person chose for a short name: for root in `/var/cache`, beside `/etc`. */
function recordedAliases({ environment, home, etc }: ConfigPlaces, uid: number | undefined): string {
  const cache = uid === 0 ? join(etc, '../var/cache') : environment['XDG_CACHE_HOME'] || join(home, '.cache')
  return join(cache, 'containers/short-name-aliases.conf')
}

async function dropIns(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder)
    return names
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join(folder, name))
  } catch (error) {
    if (isAbsent(error)) return []
    throw unreadable(folder, error)
  }
}

async function readConf(path: string): Promise<RegistriesConf | undefined> {
  try {
    return parseRegistriesConf(await readFile(path, 'utf8'), path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw unreadable(path, error)
  }
}

async function readStated(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error)
  })
}

function isAbsent(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'ENOENT' || errno === 'ENOTDIR'
}

function unreadable(path: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause
  return new SluiceError('SLUICE_CONFIG', `cannot read ${path}: ${errnoOf(cause) ?? String(cause)}`, { cause })
}
