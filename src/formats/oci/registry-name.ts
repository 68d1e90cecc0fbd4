/**
 * Names of images in registries: `[host[:port]/]path[:tag][@digest]` (oci.md §11).
 */
import { SluiceError } from '../../errors.js'
import { digestHashName, parseDigest, type Digest } from '../digest.js'
import { redactText } from '../redact.js'

/** The public registry that names without a host mean, and the host that serves it. */
export const DEFAULT_REGISTRY = 'docker.io'
const DEFAULT_REGISTRY_SERVER = 'registry-1.docker.io'

/** A complete name: with a host, and with a tag, a digest, or both (the digest counts, the tag is kept for people). */
export interface RegistryName {
  /** `host[:port]`, lower case. */
  readonly host: string
  /** The repository in the registry, such as `library/debian`. */
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

/** A name whose first component may or may not be a host. */
export interface NameParts {
  readonly host?: string
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

/** Longest repository name, host included. */
const MAX_NAME_LENGTH = 255
const hostSyntax =
  /^(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/
const componentSyntax = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const tagSyntax = /^\w[\w.-]{0,127}$/

/** Splits and checks a name without completing it. */
export function parseNameParts(text: string): NameParts {
  const refuse = (problem: string): never => {
    throw new SluiceError(
      'SLUICE_USAGE',
      `not an image name: ${JSON.stringify(redactText(text).slice(0, 400))}: ${problem}`,
    )
  }
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigestPart(text.slice(at + 1), refuse)
  const tagged = at < 0 ? text : text.slice(0, at)
  const colon = tagged.lastIndexOf(':')
  const hasTag = colon > tagged.lastIndexOf('/')
  const tag = hasTag ? tagged.slice(colon + 1) : undefined
  if (tag !== undefined && !tagSyntax.test(tag)) refuse(`${JSON.stringify(tag)} is not a tag`)
  const components = (hasTag ? tagged.slice(0, colon) : tagged).split('/')
  const host = components.length > 1 && isHost(components[0]) ? components.shift()!.toLowerCase() : undefined
  if (host !== undefined && !isHostName(host)) refuse(`${JSON.stringify(host)} is not a host`)
  const path = components.join('/')
  if (path === '') refuse('it is empty')
  const bad = components.find((component) => !componentSyntax.test(component))
  if (bad !== undefined) {
    refuse(
      bad !== bad.toLowerCase() ? 'repository names are lower case' : `${JSON.stringify(bad)} is not allowed in it`,
    )
  }
  if ((host ?? '').length + path.length > MAX_NAME_LENGTH) refuse(`it is longer than ${MAX_NAME_LENGTH} characters`)
  return {
    ...(host === undefined ? {} : { host }),
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

function parseDigestPart(text: string, refuse: (problem: string) => never): Digest {
  try {
    const digest = parseDigest(text)
    // No registry has one that nobody can verify.
    digestHashName(digest)
    return digest
  } catch {
    return refuse(`what follows @ is not a digest`)
  }
}

/** A first component is a host if it could not be part of a path: it has a dot, a port, upper case, or is localhost. */
function isHost(component: string): boolean {
  return /[.:A-Z[]/.test(component) || component === 'localhost'
}

/** Completes a name: default host, `library/` for its short names, default tag. */
export function completeName(parts: NameParts): RegistryName {
  const host = canonicalHost(parts.host ?? DEFAULT_REGISTRY)
  const path = host === DEFAULT_REGISTRY && !parts.path.includes('/') ? `library/${parts.path}` : parts.path
  const tag = parts.tag ?? (parts.digest === undefined ? 'latest' : undefined)
  return {
    host,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(parts.digest === undefined ? {} : { digest: parts.digest }),
  }
}

/** The one name of a registry that has several; hosts are told apart without regard to case. */
export function canonicalHost(host: string): string {
  const name = host.toLowerCase()
  return name === 'index.docker.io' || name === DEFAULT_REGISTRY_SERVER ? DEFAULT_REGISTRY : name
}

/** `host[/path…]` with the host in lower case, as in names of images. */
export function lowerHost(name: string): string {
  return name.replace(/^[^/]*/, (host) => host.toLowerCase())
}

/** Whether this is `host[:port]` that is connected to by this name: `127.1` would be another one by then. */
export function isHostName(host: string): boolean {
  if (!hostSyntax.test(host) || !URL.canParse(`https://${host}`)) return false
  return host.startsWith('[') || new URL(`https://${host}`).hostname === host.replace(/:\d+$/, '')
}

/** The host to connect to for a registry of this name. */
export function serverHost(host: string): string {
  return canonicalHost(host) === DEFAULT_REGISTRY ? DEFAULT_REGISTRY_SERVER : host
}

/** `host/path[:tag][@digest]`. */
export function formatRegistryName(name: RegistryName): string {
  const tag = name.tag === undefined ? '' : `:${name.tag}`
  const digest = name.digest === undefined ? '' : `@${name.digest}`
  return `${name.host}/${name.path}${tag}${digest}`
}
