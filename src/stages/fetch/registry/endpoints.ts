/** From a name to the places that may serve it: mirrors in order, then the registry itself (oci.md §11). */
import { SluiceError } from '../../../errors.js'
import {
  completeName,
  DEFAULT_REGISTRY,
  formatRegistryName,
  parseNameParts,
  type NameParts,
  type RegistryName,
} from '../../../formats/oci/registry-name.js'
import { findRule, relocate, type Mirror, type RegistriesConf } from './registries-conf.js'

export interface Endpoint {
  readonly host: string
  readonly path: string
  /** No verification of certificates, and plain http if there is no https. */
  readonly insecure: boolean
}

/** @throws SluiceError `SLUICE_POLICY` if registries.conf blocks the registry. */
export function endpointsOf(name: RegistryName, conf: RegistriesConf): Endpoint[] {
  const { host, path } = name
  const rule = findRule(conf, host, path)
  if (rule === undefined) return [{ host, path, insecure: false }]
  if (rule.blocked) {
    throw new SluiceError('SLUICE_POLICY', `registries.conf blocks ${rule.prefix}: ${formatRegistryName(name)}`)
  }
  const mirrors = rule.mirrors.filter((mirror) => serves(mirror, name))
  return [
    ...mirrors.map(({ location, insecure }) => ({ ...relocate(rule, location, host, path), insecure })),
    { ...relocate(rule, rule.location, host, path), insecure: rule.insecure },
  ]
}

function serves({ pull }: Mirror, name: RegistryName): boolean {
  return pull === 'all' || (pull === 'digest-only') === (name.digest !== undefined)
}

/**
 * What a name without a host may mean, in the order in which to look: its alias, else the search registries, else the
 * default registry. A name with a host means itself.
 *
 * @throws SluiceError `SLUICE_USAGE` if registries.conf wants a person to choose among several.
 */
export function resolveShortName(parts: NameParts, conf: RegistriesConf): RegistryName[] {
  if (parts.host !== undefined) return [completeName(parts)]
  const alias = conf.aliases.get(parts.path)
  if (alias !== undefined) return [completeName({ ...parts, ...withoutVersion(alias) })]
  const { searchRegistries = [], shortNameMode } = conf
  const registries = searchRegistries.length === 0 ? [DEFAULT_REGISTRY] : searchRegistries
  if (registries.length > 1 && shortNameMode === 'enforcing') {
    const choices = registries.map((host) => `${host}/${parts.path}`).join(', ')
    throw new SluiceError('SLUICE_USAGE', `${parts.path} may mean ${choices}`, {
      hint: 'write the registry, or add an alias to registries.conf',
    })
  }
  return registries.map((host) => completeName({ ...parts, ...withoutVersion(`${host}/${parts.path}`) }))
}

function withoutVersion(name: string): { host?: string; path: string } {
  const { host, path } = parseNameParts(name)
  return host === undefined ? { path } : { host, path }
}
