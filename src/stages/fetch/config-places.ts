/** Where the configuration of container tools lies. */
import { join } from 'node:path'
import type { Environment } from './http/proxy.js'

export interface ConfigPlaces {
  readonly environment: Environment
  readonly home: string
  /** The folder of the system's configuration, `/etc`. */
  readonly etc: string
}

/** `$XDG_CONFIG_HOME/containers` or `~/.config/containers`. */
export function userConfigFolder({ environment, home }: ConfigPlaces): string {
  return join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers')
}
