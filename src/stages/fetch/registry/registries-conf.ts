/**
 * registries.conf, version 2: where a registry really is, its mirrors, and what short names mean (oci.md §11).
 */
import { SluiceError } from '../../../errors.js'
import { isRecord, valueInAnyCase } from '../../../formats/json.js'
import { canonicalHost, lowerHost } from '../../../formats/oci/registry-name.js'
import { parseToml } from '../../../formats/toml.js'
import { redactText } from '../../../formats/redact.js'

export interface RegistryRule {
  /** `host`, `host/namespace…`, or `*.domain`. */
  readonly prefix: string
  /** What takes the place of the prefix. */
  readonly location: string | undefined
  readonly insecure: boolean
  readonly blocked: boolean
  readonly mirrors: readonly Mirror[]
}

export interface Mirror {
  readonly location: string
  readonly insecure: boolean
  readonly pull: 'all' | 'digest-only' | 'tag-only'
}

export type ShortNameMode = 'enforcing' | 'permissive' | 'disabled'

/** What one file says; absent keys leave to the files before what they said. */
export interface RegistriesConf {
  readonly rules: ReadonlyMap<string, RegistryRule>
  readonly searchRegistries: readonly string[] | undefined
  readonly shortNameMode: ShortNameMode | undefined
  readonly credentialHelpers: readonly string[] | undefined
  readonly aliases: ReadonlyMap<string, string>
}

export const emptyRegistriesConf: RegistriesConf = {
  rules: new Map(),
  searchRegistries: undefined,
  shortNameMode: undefined,
  credentialHelpers: undefined,
  aliases: new Map(),
}

/** Parses the text of a file. */
export function parseRegistriesConf(text: string, path: string): RegistriesConf {
  const document = new Table(parseToml(text, path), path)
  if (document.has('registries')) {
    throw document.error('it is in the format of version 1', 'rewrite it with [[registry]] tables')
  }
  const mode = document.string('short-name-mode')
  if (mode !== undefined && mode !== 'enforcing' && mode !== 'permissive' && mode !== 'disabled') {
    throw document.error(`unknown short-name-mode ${JSON.stringify(mode)}`)
  }
  const rules = new Map<string, RegistryRule>()
  for (const rule of document.tables('registry').map((table) => parseRule(table))) {
    // Of several with one prefix the first counts, as in other tools, which refuse those that contradict one another, too.
    const first = rules.get(rule.prefix) ?? rule
    for (const setting of ['blocked', 'insecure'] as const) {
      if (first[setting] !== rule[setting]) throw document.error(`${rule.prefix} is both ${setting} and not`)
    }
    rules.set(rule.prefix, first)
  }
  return {
    rules,
    searchRegistries: document.strings('unqualified-search-registries'),
    shortNameMode: mode,
    credentialHelpers: document.strings('credential-helpers'),
    aliases: document.stringMap('aliases'),
  }
}

/** `later` on top of `earlier`: rules are replaced by prefix, lists whole, aliases one by one; an empty alias removes. */
export function mergeRegistriesConf(earlier: RegistriesConf, later: RegistriesConf): RegistriesConf {
  const aliases = new Map([...earlier.aliases, ...later.aliases])
  return {
    rules: new Map([...earlier.rules, ...later.rules]),
    searchRegistries: later.searchRegistries ?? earlier.searchRegistries,
    shortNameMode: later.shortNameMode ?? earlier.shortNameMode,
    credentialHelpers: later.credentialHelpers ?? earlier.credentialHelpers,
    aliases: new Map([...aliases].filter(([, target]) => target !== '')),
  }
}

function parseRule(table: Table): RegistryRule {
  const location = locationOf(table)
  const prefix = locationOf(table, 'prefix') || location
  if (prefix === undefined || prefix === '') throw table.error('a [[registry]] has neither prefix nor location')
  if (prefix.includes('*') && !/^\*\.[^*/:]+$/.test(prefix)) {
    throw table.error(`a * is allowed only at the beginning of a host without a port or path: ${prefix}`)
  }
  const digestOnly = table.boolean('mirror-by-digest-only')
  return {
    prefix,
    location,
    insecure: table.boolean('insecure'),
    blocked: table.boolean('blocked'),
    mirrors: table.tables('mirror').map((mirror) => parseMirror(mirror, digestOnly)),
  }
}

function locationOf(table: Table, key: 'location' | 'prefix' = 'location'): string | undefined {
  const location = table.string(key)
  if (location?.includes('://') === true) {
    throw table.error(`a ${key} is host[:port][/path], without a scheme: ${redactText(location)}`)
  }
  return location === undefined ? undefined : lowerHost(location).replace(/\/+$/, '')
}

function parseMirror(table: Table, digestOnly: boolean): Mirror {
  const location = locationOf(table)
  if (location === undefined || location === '') throw table.error('a mirror has no location')
  const pull = table.string('pull-from-mirror') ?? 'all'
  if (pull !== 'all' && pull !== 'digest-only' && pull !== 'tag-only') {
    throw table.error(`unknown pull-from-mirror ${JSON.stringify(pull)}`)
  }
  return { location, insecure: table.boolean('insecure'), pull: digestOnly && pull === 'all' ? 'digest-only' : pull }
}

/** The rule with the longest prefix that covers `host/path`. */
export function findRule(conf: RegistriesConf, host: string, path: string): RegistryRule | undefined {
  return [...conf.rules.values()]
    .filter((rule) => covers(rule, host, path))
    .reduce<RegistryRule | undefined>(
      (best, rule) => (rule.prefix.length > (best?.prefix.length ?? 0) ? rule : best),
      undefined,
    )
}

function covers({ prefix, blocked }: RegistryRule, host: string, path: string): boolean {
  if (prefix.startsWith('*.')) return host.replace(/:\d+$/, '').endsWith(prefix.slice(1))
  const name = `${host}/${path}`
  // Other tools take a host for all of its ports, which they call a mistake: who blocks it may count on that.
  return name === prefix || name.startsWith(`${prefix}/`) || (blocked && name.startsWith(`${prefix}:`))
}

/** `host/path` with `location` in place of the rule's prefix. */
export function relocate(
  rule: RegistryRule,
  location: string | undefined,
  host: string,
  path: string,
): { host: string; path: string } {
  const name = `${host}/${path}`
  if (location === undefined) return { host, path }
  const moved = location + name.slice(rule.prefix.startsWith('*.') ? host.length : rule.prefix.length)
  const slash = moved.indexOf('/')
  if (slash < 0) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `registries.conf: ${location} in place of ${rule.prefix} leaves no repository for ${name}`,
    )
  }
  return { host: canonicalHost(moved.slice(0, slash)), path: moved.slice(slash + 1) }
}

/** A TOML table with the path of its file, for errors. */
class Table {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #path: string

  constructor(value: unknown, path: string) {
    this.#path = path
    this.#value = value as Readonly<Record<string, unknown>>
  }

  error(message: string, hint?: string): SluiceError {
    return new SluiceError('SLUICE_CONFIG', `${this.#path}: ${message}`, hint === undefined ? {} : { hint })
  }

  has(name: string): boolean {
    return valueInAnyCase(this.#value, name) !== undefined
  }

  string(name: string): string | undefined {
    return this.#typed(name, 'a string', (value) => typeof value === 'string')
  }

  boolean(name: string): boolean {
    return this.#typed<boolean>(name, 'true or false', (value) => typeof value === 'boolean') ?? false
  }

  strings(name: string): readonly string[] | undefined {
    return this.#typed(name, 'a list of strings', (value) => Array.isArray(value) && value.every(isString))
  }

  tables(name: string): Table[] {
    const tables = this.#typed<unknown[]>(
      name,
      'a list of tables',
      (value) => Array.isArray(value) && value.every(isRecord),
    )
    return (tables ?? []).map((table) => new Table(table, this.#path))
  }

  stringMap(name: string): ReadonlyMap<string, string> {
    const allStrings = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isString)
    return new Map(Object.entries(this.#typed<Record<string, string>>(name, 'a table of strings', allStrings) ?? {}))
  }

  #typed<T>(name: string, what: string, accepts: (value: unknown) => boolean): T | undefined {
    const value = valueInAnyCase(this.#value, name)
    if (value === undefined || accepts(value)) return value as T | undefined
    throw this.error(`${name} is not ${what}`)
  }
}

function isString(value: unknown): boolean {
  return typeof value === 'string'
}
