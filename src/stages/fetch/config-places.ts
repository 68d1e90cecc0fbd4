/** Where the configuration of container tools lies. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './http/proxy.js'

export interface ConfigPlaces {
  readonly environment: Environment
  readonly home: string
  /** The folder of the system's configuration, `/etc`. */
  readonly etc: string
}

/**
 * Where users have policy.json, registries.conf and certs.d (oci.md §11): other tools look for these there whatever
 * `XDG_CONFIG_HOME` is, so that who sets it gets round no policy.
 */
export function userConfigFolder({ home }: Pick<ConfigPlaces, 'home'>): string {
  return join(home, '.config/containers')
}

/** Where those look for their home who have none. */
const NO_HOME = '/nonexistent'

/** The home directory of the user. Of one without `HOME`, whom the system does not know, as in containers: one that is not there. */
export function homeOfUser(): string {
  try {
    return homedir()
  } catch {
    return NO_HOME
  }
}
