/** Where in `URL/REF` or `DIRECTORY/REF` the repository ends and the ref begins: both have slashes. */
import { setMaxListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import { redactUrl } from '../../formats/redact.js'
import { readRepositoryConfig } from '../../formats/ostree/repository-config.js'
import type { Repository } from '../../repository/repository.js'
import { LocalSource } from './local-source.js'
import { RemoteSource, type RemoteOptions } from './remote-source.js'
import type { OstreeSource } from './source.js'

export interface FoundRepository {
  readonly source: OstreeSource
  readonly ref: string
}

/**
 * Opens the repository in `text`: the shortest beginning of it that has a `config` with a mode.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none, `SLUICE_USAGE` if a directory is to have a signed summary.
 */
export async function findOstreeRepository(
  repository: Repository,
  text: string,
  options: RemoteOptions,
  signal: AbortSignal,
): Promise<FoundRepository> {
  // Many may be looked for under one signal.
  setMaxListeners(0, signal)
  if (/^https?:\/\//i.test(text)) return findRemote(repository, text, options, signal)
  if (options.summaryKeys === undefined) return findLocal(text)
  throw new SluiceError('SLUICE_USAGE', 'a signed summary is for servers: a directory has its refs in files')
}

async function findRemote(
  repository: Repository,
  text: string,
  options: RemoteOptions,
  signal: AbortSignal,
): Promise<FoundRepository> {
  const { url, authority } = parseUrl(text)
  const components = url.pathname.split('/').slice(1)
  for (const depth of components.keys()) {
    const ref = decode(components.slice(depth).join('/'))
    if (ref === undefined || ref === '') break
    const path = components.slice(0, depth).join('/')
    const source = new RemoteSource(repository, `${authority}/${path}${url.search}`, options)
    let found = false
    try {
      const config = await source.config(signal)
      found = config !== undefined && isConfig(config.toString('utf8'))
      if (found) return { source, ref }
    } finally {
      if (!found) await source.close()
    }
  }
  throw notFound(redactUrl(text))
}

function parseUrl(text: string): { url: URL; authority: string } {
  if (!URL.canParse(text)) throw notFound(redactUrl(text))
  const url = new URL(text)
  const { username, password, protocol, host } = url
  const user = username === '' && password === '' ? '' : `${username}:${password}@`
  return { url, authority: `${protocol}//${user}${host}` }
}

/** Undefined if it is not what an URL may have. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function findLocal(text: string): FoundRepository {
  const components = text.split('/')
  for (let depth = 1; depth < components.length; depth++) {
    const path = components.slice(0, depth).join('/') || '/'
    if (!existsSync(join(path, 'config')) || !existsSync(join(path, 'objects'))) continue
    return { source: new LocalSource(path), ref: components.slice(depth).join('/') }
  }
  throw notFound(text)
}

function isConfig(text: string): boolean {
  try {
    readRepositoryConfig(text, 'config')
    return true
  } catch {
    return false
  }
}

function notFound(text: string): SluiceError {
  return new SluiceError('SLUICE_NOT_FOUND', `there is no ostree repository in ${text}`, {
    hint: 'write ostree:URL/REF, where URL/config can be fetched, or ostree:DIRECTORY/REF',
  })
}
