/**
 * policy.json: which images may be pulled (oci.md §11).
 *
 * `insecureAcceptAnything` and `reject` are honoured; a requirement for signatures cannot be evaluated here and is
 * refused rather than ignored. A missing file allows everything: people pull with tools that need none.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, SluiceError } from '../../errors.js'
import { repositoryOf } from '../../formats/cstor/match-image.js'
import { isRecord, repeatedKey } from '../../formats/json.js'
import { lowerHost, type RegistryName } from '../../formats/oci/registry-name.js'
import type { StorageImage } from '../containers-storage/storage-image.js'

type Requirements = readonly { readonly type: string }[]

export interface Policy {
  readonly path: string
  readonly default: Requirements
  /** By transport, then by scope; the scope "" is for all of a transport. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, Requirements>>
}

/** Reads the first of `paths` that exists; undefined if none does. */
export async function loadPolicy(paths: readonly string[]): Promise<Policy | undefined> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if (errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ENOTDIR') return undefined
      throw new SluiceError('SLUICE_CONFIG', `cannot read ${path}: ${errnoOf(cause) ?? ''}`, { cause })
    })
    if (text !== undefined) return parsePolicy(text, path)
  }
  return undefined
}

export function parsePolicy(text: string, path: string): Policy {
  const refuse = (problem: string): never => {
    throw new SluiceError('SLUICE_CONFIG', `${path}: ${problem}`)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw new SluiceError('SLUICE_CONFIG', `${path} is not JSON`, { cause })
  }
  const object = (value: unknown, what: string): Readonly<Record<string, unknown>> => {
    if (isRecord(value)) return value
    return refuse(`${what} is not an object`)
  }
  const only = (known: readonly string[], fields: Readonly<Record<string, unknown>>, what: string): void => {
    const other = Object.keys(fields).find((name) => !known.includes(name))
    if (other !== undefined) refuse(`${what} has an unknown field ${JSON.stringify(other)}`)
  }
  const requirements = (value: unknown, what: string): Requirements => {
    if (!Array.isArray(value) || value.length === 0) return refuse(`${what} is not a list of requirements`)
    return value.map((entry) => {
      const fields = object(entry, `a requirement of ${what}`)
      const { type } = fields
      if (typeof type !== 'string') return refuse(`a requirement of ${what} has no type`)
      if (type === 'insecureAcceptAnything' || type === 'reject') only(['type'], fields, `a requirement of ${what}`)
      return { type }
    })
  }
  // What is misspelt or overridden would be a policy that is not enforced.
  const twice = repeatedKey(text)
  if (twice !== undefined) refuse(`the field ${JSON.stringify(twice)} is there twice`)
  const policy = object(document, 'the document')
  only(['default', 'transports'], policy, 'the document')
  const transports = Object.entries(object(policy['transports'] ?? {}, 'transports')).map(([transport, scopes]) => {
    const entries = Object.entries(object(scopes, transport))
    const named = (scope: string): string => (transport === 'docker' ? lowerHost(scope) : scope)
    const rules = new Map(entries.map(([s, list]) => [named(s), requirements(list, `${transport} ${s}`)]))
    if (rules.size < entries.length) refuse(`a scope of ${transport} is there twice, with its host in different case`)
    return [transport, rules] as const
  })
  return { path, default: requirements(policy['default'], 'default'), transports: new Map(transports) }
}

/**
 * @param scopes from the most to the least specific.
 * @throws SluiceError `SLUICE_POLICY` unless every requirement of the first scope that the policy has is met.
 */
export function enforcePolicy(policy: Policy, transport: string, scopes: readonly string[], where: string): void {
  const known = policy.transports.get(transport)
  const scope = [...scopes, ''].find((scope) => known?.has(scope))
  const requirements = scope === undefined ? policy.default : known!.get(scope)!
  for (const { type } of requirements) {
    if (type === 'insecureAcceptAnything') continue
    const rule = scope === undefined ? 'its default' : `${transport} ${JSON.stringify(scope)}`
    throw new SluiceError(
      'SLUICE_POLICY',
      type === 'reject'
        ? `${where}: ${policy.path} rejects this image (${rule})`
        : `${where}: ${policy.path} demands ${type} (${rule}), which cannot be checked here`,
      type === 'reject' ? {} : { hint: 'pull with a tool that verifies signatures, or change the policy' },
    )
  }
}

/**
 * Scopes of an image in a registry: itself, its repository and the namespaces above, the host, its parent domains. These
 * are without the port, as other tools have it.
 */
export function registryScopes({ host, path, tag, digest }: RegistryName): string[] {
  const repository = `${host}/${path}`
  const labels = host.replace(/:\d+$/, '').split('.')
  const wildcards = [...labels.keys()].slice(1).map((i) => `*.${labels.slice(i).join('.')}`)
  const version = digest === undefined ? `${repository}:${tag ?? 'latest'}` : `${repository}@${digest}`
  return [version, ...namespacesOf(repository), ...wildcards]
}

/** Scopes of a layout or archive: the path with its tag, the path, and the directories above. */
export function pathScopes(path: string, tag: string | undefined): string[] {
  const components = path.split('/').filter((component) => component !== '')
  const directories = [...components.keys()].map((i) => `/${components.slice(0, components.length - i).join('/')}`)
  return [`${path}:${tag ?? ''}`, ...directories, '/']
}

export function policyPaths(userFolder: string, etc: string): string[] {
  return [join(userFolder, 'policy.json'), join(etc, 'containers/policy.json')]
}

/**
 * Scopes of an image of a containers-storage, a list for each of the names that it was asked by, all of which have to be
 * allowed: the name with the id, the name, its repository and the namespaces above, the store. Who asks by id is held to
 * what is said of the id, else to what is said of all names.
 */
export function storageScopes({
  driver,
  store,
  id,
  names,
  byId,
  statedDigest: digest,
}: Pick<StorageImage, 'driver' | 'store' | 'id' | 'names' | 'byId' | 'statedDigest'>): string[][] {
  const place = `[${driver}@${store}]`
  const ofId = byId ? [`${place}@${id}`] : []
  const ofNames = names.map((name) => {
    const repository = repositoryOf(name)
    const versions = digest === undefined ? [name] : [`${name}@${digest}`, `${repository}@${digest}`, name]
    const scopes = [...versions, ...namespacesOf(repository)].map((scope) => place + scope)
    return [...versions.map((version) => `${place}${version}@${id}`), ...ofId, ...scopes]
  })
  return (byId && names.length === 0 ? [ofId] : ofNames).map((scopes) => [...scopes, place, `[${store}]`])
}

/** The path itself, and each that it is below. */
function namespacesOf(path: string): string[] {
  const components = path.split('/')
  return [...components.keys()].map((i) => components.slice(0, components.length - i).join('/'))
}
