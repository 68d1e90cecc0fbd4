/** Where credentials for a registry come from; each file is read and each helper run once (practice.md trap 3). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, SluiceError } from '../../../errors.js'
import { DEFAULT_REGISTRY } from '../../../formats/oci/registry-name.js'
import { lookupKeys, parseAuthFile, type AuthFile } from './auth-file.js'
import type { Credentials } from './credential.js'
import type { Environment } from '../http/proxy.js'

export interface CredentialOptions {
  readonly environment: Environment
  readonly home: string
  /** User id, for the default place of `auth.json`. */
  readonly uid: number
  /** Ends helpers that still run. */
  readonly lifetime: AbortSignal
  /** Looked at first; must exist. */
  readonly authFile?: string
  /** `credential-helpers` of registries.conf: `containers-auth.json` stands for the files, anything else is a helper. */
  readonly helpers?: readonly string[]
}

const FILES = 'containers-auth.json'
/** What Docker's helpers know the default registry as. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/'

/** Loaded only for those who have one: few do, and it brings Node's child processes with it. */
const loadCredentialHelper = () => import('./credential-helper.js')

interface Place {
  readonly path: string
  readonly required: boolean
  readonly legacy: boolean
}

export class CredentialStore {
  readonly #options: CredentialOptions
  /** Read one after the other, as long as none has what is looked for. */
  readonly #files: readonly (() => Promise<AuthFile | undefined>)[]
  readonly #answers = new Map<string, Promise<Credentials | undefined>>()

  constructor(options: CredentialOptions) {
    this.#options = options
    this.#files = authFilePlaces(options).map((place) => {
      let file: Promise<AuthFile | undefined> | undefined
      return () => (file ??= readAuthFile(place))
    })
  }

  /** The credentials for a repository, or undefined if there are none. */
  async find(host: string, path: string): Promise<Credentials | undefined> {
    for (const source of this.#options.helpers ?? [FILES]) {
      const found = source === FILES ? await this.#findInFiles(host, path) : await this.#ask(source, host)
      if (found !== undefined) return found
    }
    return undefined
  }

  async #findInFiles(host: string, path: string): Promise<Credentials | undefined> {
    const keys = lookupKeys(host, path)
    for (const read of this.#files) {
      const file = await read()
      if (file === undefined) continue
      const helper = keys.map((key) => file.helpers.get(key)).find(Boolean)
      const found =
        (helper === undefined ? undefined : await this.#ask(helper, host)) ??
        keys.map((key) => file.entries.get(key)).find(Boolean) ??
        (file.store === undefined ? undefined : await this.#ask(file.store, host).catch(absentIsNone))
      if (found instanceof SluiceError) throw found
      if (found !== undefined) return found
    }
    return undefined
  }

  async #ask(helper: string, host: string): Promise<Credentials | undefined> {
    const { environment, lifetime } = this.#options
    const servers = host === DEFAULT_REGISTRY ? [DOCKER_HUB_SERVER, host] : [host]
    for (const server of servers) {
      const key = `${helper}\n${server}`
      let answer = this.#answers.get(key)
      if (answer === undefined) {
        answer = loadCredentialHelper().then(({ askCredentialHelper }) =>
          askCredentialHelper(helper, server, environment, lifetime),
        )
        this.#answers.set(key, answer)
      }
      const found = await answer
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** The files in the order in which they are asked (oci.md §11). */
function authFilePlaces({ environment, home, uid, authFile }: CredentialOptions): Place[] {
  const set = (name: string): string | undefined => environment[name] || undefined
  const stated = authFile ?? set('REGISTRY_AUTH_FILE')
  const optional = (path: string, legacy = false): Place => ({ path, required: false, legacy })
  const runtime = set('XDG_RUNTIME_DIR')
  return [
    ...(stated === undefined ? [] : [{ path: stated, required: true, legacy: false }]),
    optional(runtime === undefined ? `/run/containers/${uid}/auth.json` : join(runtime, 'containers/auth.json')),
    optional(join(set('XDG_CONFIG_HOME') ?? join(home, '.config'), 'containers/auth.json')),
    optional(join(set('DOCKER_CONFIG') ?? join(home, '.docker'), 'config.json')),
    optional(join(home, '.dockercfg'), true),
  ]
}

async function readAuthFile({ path, required, legacy }: Place): Promise<AuthFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    // A file of another user in a shared place is as good as none.
    if (!required && ['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(cause) ?? '')) return undefined
    throw new SluiceError('SLUICE_CONFIG', `cannot read credentials: ${path}: ${errnoOf(cause) ?? ''}`, { cause })
  }
  // Tools make such files empty before they write to them.
  return text.trim() === '' ? undefined : parseAuthFile(text, path, legacy)
}

/** Files that name a helper for all hosts get copied to hosts that do not have it. */
function absentIsNone(error: unknown): undefined {
  if (error instanceof SluiceError && errnoOf(error.cause) === 'ENOENT') return undefined
  throw error
}
