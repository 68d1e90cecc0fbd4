/** The remotes of a repository: add, list, remove, and whom they trust (ostree.md §3.8). */
import { readFileSync } from 'node:fs'
import { ioError, SluiceError } from '../errors.js'
import { signEngines, type OstreeRemote } from '../formats/ostree/remote-config.js'
import { findRemote, remoteKeyringPath, remoteNames, removeRemote, writeRemote } from '../repository/remotes.js'
import type { Repository } from '../repository/repository.js'
import { encodeKeyring, readKeyring } from '../stages/ostree-verify/openpgp-keyring.js'
import { loadRemoteTrust, type RemoteTrust } from '../stages/ostree-verify/trusted-keys.js'

export interface AddRemoteOptions {
  /** Refs that it is for. */
  readonly branches?: readonly string[]
  /** Where contents are, if elsewhere. */
  readonly contentUrl?: string
  /** Whether commits must carry an OpenPGP signature; default true. */
  readonly gpgVerify?: boolean
  /** A file of OpenPGP keys, binary or armoured, which are copied. */
  readonly gpgImport?: string
  /** `ENGINE=inline:KEY` or `ENGINE=file:PATH`: commits must carry a signature by such a key. Empty: none is needed. */
  readonly signVerify?: readonly string[]
  readonly collectionId?: string
  /** Further settings, in ostree's words. */
  readonly settings?: ReadonlyMap<string, string>
  /** What to do if there is a remote of that name; default `fail`. */
  readonly existing?: 'fail' | 'keep' | 'replace'
}

/**
 * Writes down a remote. Nothing is asked of its server.
 *
 * @param url `http://…`, `https://…`, or one of these behind `mirrorlist=` or `metalink=`.
 * @returns whether it was written: not if it is there and may stay.
 */
export async function addOstreeRemote(
  repository: Repository,
  name: string,
  url: string,
  options: AddRemoteOptions = {},
): Promise<boolean> {
  const { existing = 'fail', gpgImport } = options
  if (existing !== 'replace' && remoteNames(repository).includes(name)) {
    if (existing === 'keep') return false
    throw new SluiceError('SLUICE_USAGE', `there is a remote ${name} already`, { hint: 'replace it with --force' })
  }
  repository.ensureWritable()
  const keyring = gpgImport === undefined ? undefined : await importKeys(gpgImport)
  writeRemote(repository, name, remoteSettings(url, options), keyring)
  return true
}

async function importKeys(path: string): Promise<Uint8Array> {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw ioError(error, `cannot read the keys in ${path}`)
  }
  return encodeKeyring(await readKeyring(bytes, path))
}

function remoteSettings(url: string, options: AddRemoteOptions): Map<string, string> {
  const { branches = [], contentUrl, gpgVerify, signVerify, collectionId, settings = [] } = options
  const isMetalink = url.startsWith('metalink=')
  checkUrl(url.replace(/^(metalink|mirrorlist)=/, ''))
  if (contentUrl !== undefined) checkUrl(contentUrl.replace(/^mirrorlist=/, ''))
  return new Map([
    isMetalink ? ['metalink', url.slice('metalink='.length)] : ['url', url],
    ...(contentUrl === undefined ? [] : [['contenturl', contentUrl] as const]),
    ...(branches.length === 0 ? [] : [['branches', `${branches.join(';')};`] as const]),
    ...(gpgVerify === undefined ? [] : [['gpg-verify', String(gpgVerify)] as const]),
    ...(signVerify === undefined ? [] : signSettings(signVerify)),
    ...(collectionId === undefined ? [] : [['collection-id', collectionId] as const]),
    ...settings,
  ])
}

function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : ''
  if (protocol === 'http:' || protocol === 'https:') return
  throw new SluiceError(
    'SLUICE_USAGE',
    `not a URL that can be pulled from: ${protocol === '' ? url : `${protocol}…`}`,
    {
      hint: 'a remote begins with http:// or https://',
    },
  )
}

function signSettings(keys: readonly string[]): [string, string][] {
  if (keys.length === 0) return [['sign-verify', 'false']]
  const found = keys.map((text): [engine: string, setting: string, value: string] => {
    const [, engine = '', form, value = ''] = /^([^=]+)=(inline|file):(.+)$/.exec(text) ?? []
    if (!signEngines.some((known) => known === engine)) {
      throw new SluiceError('SLUICE_USAGE', `not a key to verify signatures by: ${text}`, {
        hint: 'write ed25519=inline:KEY, ed25519=file:PATH, spki=inline:KEY or spki=file:PATH',
      })
    }
    return [engine, `verification-${engine}-${form === 'inline' ? 'key' : 'file'}`, value]
  })
  const settings = found.map(([, setting]) => setting)
  const twice = settings.find((setting, i) => settings.indexOf(setting) !== i)
  if (twice !== undefined) {
    throw new SluiceError('SLUICE_USAGE', `a remote has one ${twice} only`, { hint: 'put several keys into a file' })
  }
  const engines = [...new Set(found.map(([engine]) => engine))]
  return [['sign-verify', `${engines.join(';')};`], ...found.map(([, key, value]): [string, string] => [key, value])]
}

/** Sorted by name. @throws SluiceError `SLUICE_CONFIG` if the file of one is unusable. */
export function listOstreeRemotes(repository: Repository): OstreeRemote[] {
  return remoteNames(repository).flatMap((name) => findRemote(repository, name) ?? [])
}

/** @throws SluiceError `SLUICE_NOT_FOUND` if there is none of that name. */
export function ostreeRemote(repository: Repository, name: string): OstreeRemote {
  const remote = findRemote(repository, name)
  if (remote !== undefined) return remote
  throw new SluiceError('SLUICE_NOT_FOUND', `there is no remote ${name}`, {
    hint: '"sluice ostree remote list" tells those of this repository',
  })
}

/** Forgets a remote and its keys, also if they are damaged; what was pulled from it stays. False if there was none. */
export function removeOstreeRemote(repository: Repository, name: string): boolean {
  repository.ensureWritable()
  return removeRemote(repository, name)
}

/** What commits and the summary of a remote must be signed by. @throws SluiceError `SLUICE_CONFIG` if keys are missing. */
export async function ostreeRemoteTrust(repository: Repository, remote: OstreeRemote): Promise<RemoteTrust> {
  return loadRemoteTrust(remote, remoteKeyringPath(repository, remote.name))
}
