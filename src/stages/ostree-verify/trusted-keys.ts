/** Whom a remote trusts: its keyring, and the keys its configuration and the host name (ostree.md §3.8). */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, ioError, SluiceError } from '../../errors.js'
import { signEngines, type OstreeRemote, type SignEngine, type SignPolicy } from '../../formats/ostree/remote-config.js'
import { namesIn } from '../../repository/names-in.js'
import { joinKeyrings, readKeyring, type OpenPgpKeyring } from './openpgp-keyring.js'
import { parsePublicKey, readPublicKeys, type PublicKeyKind, type TrustedPublicKey } from './public-keys.js'
import type { TrustedKeys } from './verify.js'

/** Keys are some KiB each; a file beyond this is none of keys. */
const MAX_KEY_FILE = 16 * 1024 * 1024

/** Directories of the host with keys for every remote, the later ones of the distribution. */
export const hostKeyDirectories: readonly string[] = ['/etc/ostree', '/usr/share/ostree']

export interface RemoteTrust {
  /** Undefined: commits need no signature. */
  readonly commits: TrustedKeys | undefined
  /** Undefined: the summary needs none. */
  readonly summary: TrustedKeys | undefined
}

/**
 * What a remote asks of commits and of its summary.
 *
 * @param keyring path of the remote's own keyring, which need not exist.
 * @throws SluiceError `SLUICE_CONFIG` if it asks for signatures and there is no key that could have made them.
 */
export async function loadRemoteTrust(
  remote: OstreeRemote,
  keyring: string,
  hostDirectories: readonly string[] = hostKeyDirectories,
): Promise<RemoteTrust> {
  const gpg =
    remote.gpgVerify || remote.gpgVerifySummary ? await remoteKeyring(remote, keyring, hostDirectories) : undefined
  const keys = (withGpg: boolean, policy: SignPolicy): TrustedKeys | undefined => {
    const sign = policy === 'none' ? undefined : signKeys(remote, policy, hostDirectories)
    if (!withGpg && sign === undefined) return undefined
    return { ...(withGpg && { gpg: gpg! }), ...(sign !== undefined && { sign }) }
  }
  return {
    commits: keys(remote.gpgVerify, remote.signVerify),
    summary: keys(remote.gpgVerifySummary, remote.signVerifySummary),
  }
}

/** Keys of files that were named on the command line; undefined if none were. */
export async function loadTrustedKeys(files: {
  readonly gpgKeyring?: string | undefined
  readonly ed25519Key?: string | undefined
}): Promise<TrustedKeys | undefined> {
  const { gpgKeyring, ed25519Key } = files
  if (gpgKeyring === undefined && ed25519Key === undefined) return undefined
  return {
    ...(gpgKeyring !== undefined && { gpg: await readKeyring(readKeyFile(gpgKeyring), gpgKeyring) }),
    ...(ed25519Key !== undefined && {
      sign: { ed25519: readPublicKeys('ed25519', readKeyFile(ed25519Key), ed25519Key) },
    }),
  }
}

async function remoteKeyring(
  { name, gpgKeyPaths }: OstreeRemote,
  keyring: string,
  hostDirectories: readonly string[],
): Promise<OpenPgpKeyring> {
  const keyrings: OpenPgpKeyring[] = []
  if (isThere(keyring)) keyrings.push(await keyringAt(keyring))
  else {
    for (const directory of hostDirectories)
      keyrings.push(...(await keyringsIn(join(directory, 'trusted.gpg.d'), '.gpg')))
  }
  for (const path of gpgKeyPaths) {
    if (isDirectory(path)) keyrings.push(...(await keyringsIn(path)))
    else keyrings.push(await keyringAt(path))
  }
  if (keyrings.length > 0) return joinKeyrings(keyrings)
  throw new SluiceError('SLUICE_CONFIG', `remote ${name} wants OpenPGP signatures, but there is no key to check them`, {
    hint: `add the remote again with "--force --gpg-import FILE", or with "--no-gpg-verify" if you trust its server`,
  })
}

const keyringAt = (path: string) => readKeyring(readKeyFile(path), path)

/** Those of the files in a directory that hold keys: beside them there may be anything. */
async function keyringsIn(directory: string, suffix = ''): Promise<OpenPgpKeyring[]> {
  const keyrings: OpenPgpKeyring[] = []
  for (const path of filesIn(directory)) {
    if (!path.endsWith(suffix) || !isFile(path)) continue
    try {
      keyrings.push(await keyringAt(path))
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'SLUICE_CONFIG')) throw error
    }
  }
  return keyrings
}

/** For each engine the keys, at least one in all; of engines that were asked for by name, at least one each. */
function signKeys(
  remote: OstreeRemote,
  policy: Exclude<SignPolicy, 'none'>,
  hostDirectories: readonly string[],
): NonNullable<TrustedKeys['sign']> {
  const found: Partial<Record<SignEngine, TrustedPublicKey[]>> = {}
  for (const engine of policy === 'any' ? signEngines : policy) {
    const keys = engineKeys(remote, engine, hostDirectories)
    if (keys.length > 0) found[engine] = keys
    else if (policy !== 'any') throw noKey(remote.name, engine)
  }
  if (Object.keys(found).length === 0) throw noKey(remote.name, signEngines.join(' or '))
  return found
}

function engineKeys(remote: OstreeRemote, engine: SignEngine, hostDirectories: readonly string[]): TrustedPublicKey[] {
  const { key, file } = remote.signKeys[engine]
  const revoked = new Set(hostKeys(engine, 'revoked', hostDirectories).map(({ name }) => name))
  const what = `remote ${remote.name}`
  const trusted =
    key === undefined && file === undefined
      ? hostKeys(engine, 'trusted', hostDirectories)
      : [
          ...(key === undefined ? [] : [parsePublicKey(engine, key, what)]),
          ...(file === undefined ? [] : readPublicKeys(engine, readKeyFile(file), file)),
        ]
  return trusted.filter(({ name }) => !revoked.has(name))
}

/** `trusted.ed25519` and the files in `trusted.ed25519.d`; and likewise of those that are revoked. */
function hostKeys(
  kind: PublicKeyKind,
  state: 'trusted' | 'revoked',
  hostDirectories: readonly string[],
): TrustedPublicKey[] {
  return hostDirectories
    .map((directory) => join(directory, `${state}.${kind}`))
    .flatMap((path) => [...(isThere(path) ? [path] : []), ...filesIn(`${path}.d`)])
    .flatMap((path) => readPublicKeys(kind, readKeyFile(path), path))
}

function noKey(remote: string, engines: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `remote ${remote} wants ${engines} signatures, but no key is set for them`, {
    hint: `set one with "sluice ostree remote add --force --sign-verify ed25519=inline:KEY"`,
  })
}

const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined

const filesIn = (directory: string) => namesIn(directory).map((name) => join(directory, name))

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true

const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

function readKeyFile(path: string): Buffer {
  try {
    const { size } = statSync(path)
    if (size > MAX_KEY_FILE) throw new SluiceError('SLUICE_CONFIG', `${path} is too large for a file of keys`)
    return readFileSync(path)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    if (errnoOf(error) === 'ENOENT') throw new SluiceError('SLUICE_CONFIG', `there is no file of keys at ${path}`)
    throw ioError(error, `cannot read the keys in ${path}`)
  }
}
