/** `auth.json` of containers and `config.json` of Docker: which credentials they hold for a repository (oci.md §11). */
import { SluiceError } from '../../../errors.js'
import { isRecord, valueInAnyCase } from '../../../formats/json.js'
import { canonicalHost } from '../../../formats/oci/registry-name.js'
import type { Credentials } from './credential.js'

export interface AuthFile {
  /** By normalised key: `host[:port]` or `host[:port]/namespace…`. An unusable one is an error for those who want it. */
  readonly entries: ReadonlyMap<string, Credentials | SluiceError>
  /** Helper for a host, or namespace. */
  readonly helpers: ReadonlyMap<string, string>
  /** Helper for all hosts. */
  readonly store: string | undefined
}

/**
 * Parses a file; `legacy` is the layout of `~/.dockercfg`, entries alone. Entries without a secret are left out, so that
 * they do not hide those of another file.
 */
export function parseAuthFile(text: string, path: string, legacy: boolean): AuthFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Without the cause: it quotes the text, secrets and all.
    throw new SluiceError('SLUICE_CONFIG', `${path} is not JSON`)
  }
  const document = record(value)
  const auths = record(legacy ? document : valueInAnyCase(document, 'auths'))
  const entries = new Map<string, Credentials | SluiceError>()
  // Last, and so before any that Docker wrote as URLs, those with keys as they are looked for.
  const isPlain = (key: string): number => Number(normaliseKey(key) === key)
  for (const [key, entry] of Object.entries(auths).sort(([a], [b]) => isPlain(a) - isPlain(b))) {
    const credentials = parseEntry(record(entry), `${path}: ${key}`)
    if (credentials !== undefined) entries.set(normaliseKey(key), credentials)
  }
  const helpers = Object.entries(record(legacy ? undefined : valueInAnyCase(document, 'credHelpers'))).flatMap(
    ([key, helper]) => (typeof helper === 'string' && helper !== '' ? [[normaliseKey(key), helper] as const] : []),
  )
  const store = legacy ? undefined : valueInAnyCase(document, 'credsStore')
  return { entries, helpers: new Map(helpers), store: typeof store === 'string' && store !== '' ? store : undefined }
}

/** Keys under which credentials for a repository may lie, longest first. */
export function lookupKeys(host: string, path: string): string[] {
  const components = path.split('/')
  const base = canonicalHost(host)
  return [...components.keys()].map((i) => [base, ...components.slice(0, components.length - i)].join('/')).concat(base)
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

function parseEntry(entry: Readonly<Record<string, unknown>>, where: string): Credentials | SluiceError | undefined {
  const [auth, identityToken, username, password] = ['auth', 'identitytoken', 'username', 'password'].map((name) =>
    valueInAnyCase(entry, name),
  )
  if (typeof identityToken === 'string' && identityToken !== '') return { identityToken }
  if (typeof auth === 'string' && auth !== '') {
    const [, user, secret] = /^([^:]*):([^]*?)\0*$/.exec(Buffer.from(auth, 'base64').toString('utf8')) ?? []
    if (user === undefined || secret === undefined) {
      return new SluiceError('SLUICE_CONFIG', `${where}: auth is not "user:password" in base64`)
    }
    return user === '' && secret === '' ? undefined : { username: user, password: secret }
  }
  if (typeof username === 'string' && typeof password === 'string' && username !== '') return { username, password }
  return undefined
}

/** Docker writes keys as URLs such as `https://host/v1/`: of those, the host counts. */
function normaliseKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '')
  const isUrl = bare !== key || /\/v[12]\/$/.test(key)
  const [host = '', ...rest] = bare.split('/')
  const path = isUrl ? '' : rest.join('/').replace(/\/+$/, '')
  return path === '' ? canonicalHost(host) : `${canonicalHost(host)}/${path}`
}
