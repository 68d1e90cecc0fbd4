/** The section `[remote "NAME"]` of ostree's configuration (ostree.md §3.8). */
import { SluiceError } from '../../errors.js'
import { keyFileBoolean, keyFileList, type KeyFile } from './key-file.js'

/** Kinds of keys beside OpenPGP that can be named in `sign-verify`. */
export const signEngines = ['ed25519', 'spki'] as const
export type SignEngine = (typeof signEngines)[number]

/** `any`: whichever engine has keys. */
export type SignPolicy = 'none' | 'any' | readonly SignEngine[]

export interface SignKeys {
  /** Base64. */
  readonly key: string | undefined
  /** Path of a file of keys. */
  readonly file: string | undefined
}

export interface OstreeRemote {
  readonly name: string
  /** Where everything is; `mirrorlist=URL` names a list of such places. Undefined with a metalink. */
  readonly url: string | undefined
  readonly metalink: string | undefined
  /** Where contents and parts of deltas are, if elsewhere. */
  readonly contentUrl: string | undefined
  readonly branches: readonly string[]
  readonly proxy: string | undefined
  readonly http2: boolean
  readonly gpgVerify: boolean
  readonly gpgVerifySummary: boolean
  /** Files and directories of keys. */
  readonly gpgKeyPaths: readonly string[]
  readonly signVerify: SignPolicy
  readonly signVerifySummary: SignPolicy
  readonly signKeys: Readonly<Record<SignEngine, SignKeys>>
  readonly tlsPermissive: boolean
  readonly tlsCaPath: string | undefined
  readonly tlsClientCertPath: string | undefined
  readonly tlsClientKeyPath: string | undefined
  readonly collectionId: string | undefined
  /** Why nothing can be pulled from it yet. */
  readonly unconfiguredState: string | undefined
  /** The program that pulls from it instead. */
  readonly customBackend: string | undefined
}

/** Keys and values as they are written. */
export type RemoteSettings = ReadonlyMap<string, string>

const isBoolean = (value: string) => /^(true|false|yes|no|0|1)$/i.test(value)
const groupOf = (name: string) => `remote "${name}"`

/** @throws SluiceError `SLUICE_USAGE` for a name that libostree would not take, or that is no file name. */
export function checkRemoteName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(name)) return
  throw new SluiceError('SLUICE_USAGE', `${JSON.stringify(name)} is no name of a remote`, {
    hint: 'a name has at most 100 letters, digits, dots, dashes and underscores, and begins with one of the first two',
  })
}

/** The text of a configuration with this remote only. @throws SluiceError `SLUICE_USAGE` for what a key file cannot hold. */
export function formatRemote(name: string, settings: RemoteSettings): string {
  const lines = [...settings].map(([key, value]) => {
    if (!/^[A-Za-z0-9-]+$/.test(key)) throw new SluiceError('SLUICE_USAGE', `${JSON.stringify(key)} is no setting`)
    if (/[\r\n]/.test(value) || value.trim() !== value) {
      throw new SluiceError('SLUICE_USAGE', `the value of ${key} has a line end, or blanks around it`)
    }
    return `${key}=${value}\n`
  })
  return `[${groupOf(name)}]\n${lines.join('')}`
}

/** The settings of one remote in a configuration; undefined if it has none of that name. */
export function findRemoteSettings(file: KeyFile, name: string): RemoteSettings | undefined {
  return file.get(groupOf(name))
}

/** @throws SluiceError `SLUICE_CONFIG` if a setting says something unusable; settings that are not known are left alone. */
export function parseRemote(name: string, settings: RemoteSettings): OstreeRemote {
  const fault = (why: string) => new SluiceError('SLUICE_CONFIG', `remote ${name}: ${why}`)
  const text = (key: string) => (settings.get(key) === '' ? undefined : settings.get(key))
  const list = (key: string) => keyFileList(settings.get(key) ?? '')
  const boolean = (key: string, otherwise: boolean) => {
    const value = settings.get(key)
    return value === undefined ? otherwise : keyFileBoolean(value, `remote ${name}: ${key}`)
  }
  const policy = (key: string): SignPolicy => {
    if (isBoolean(settings.get(key) ?? 'false')) return boolean(key, false) ? 'any' : 'none'
    return list(key).map((engine) => {
      const known = signEngines.find((each) => each === engine)
      if (known === undefined) throw fault(`${key} names ${engine}; known are ${signEngines.join(' and ')}`)
      return known
    })
  }
  const signKeys = (engine: SignEngine): SignKeys => ({
    key: text(`verification-${engine}-key`),
    file: text(`verification-${engine}-file`),
  })
  const [tlsClientCertPath, tlsClientKeyPath] = [text('tls-client-cert-path'), text('tls-client-key-path')]
  if ((tlsClientCertPath === undefined) !== (tlsClientKeyPath === undefined)) {
    throw fault('tls-client-cert-path and tls-client-key-path go together')
  }
  const [url, metalink] = [text('url'), text('metalink')]
  if (url === undefined && metalink === undefined) throw fault('it has neither url nor metalink')
  return {
    name,
    url,
    metalink,
    contentUrl: text('contenturl'),
    branches: list('branches'),
    proxy: text('proxy'),
    http2: boolean('http2', true),
    gpgVerify: boolean('gpg-verify', true),
    gpgVerifySummary: boolean('gpg-verify-summary', false),
    gpgKeyPaths: list('gpgkeypath'),
    signVerify: policy('sign-verify'),
    signVerifySummary: policy('sign-verify-summary'),
    signKeys: { ed25519: signKeys('ed25519'), spki: signKeys('spki') },
    tlsPermissive: boolean('tls-permissive', false),
    tlsCaPath: text('tls-ca-path'),
    tlsClientCertPath,
    tlsClientKeyPath,
    collectionId: text('collection-id'),
    unconfiguredState: text('unconfigured-state'),
    customBackend: text('custom-backend'),
  }
}
