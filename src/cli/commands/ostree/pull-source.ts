/** What `ostree pull` is to pull from, and whom to trust for it: from its words, its flags, and the remote that they name. */
import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { SluiceError } from '../../../errors.js'
import type { RemoteAccess, Repository, TrustedKeys } from '../../../index.js'

export interface TrustFlags {
  readonly gpgKeyring?: string
  readonly ed25519Key?: string
}

export interface SummaryFlags extends TrustFlags {
  readonly requireSummarySignature?: boolean
}

export interface RemoteFlags extends SummaryFlags {
  readonly tlsVerify?: boolean
}

export function withSummaryOptions(command: Command): Command {
  return withTrustOptions(command).option(
    '--require-summary-signature',
    'the keys must have signed the summary too, and the ref must be in it',
  )
}

/** @param signed what the keys must have signed. */
export function withTrustOptions(command: Command, signed = 'the commit'): Command {
  return command
    .option('--gpg-keyring <file>', `OpenPGP keys, binary or armoured, one of which must have signed ${signed}`)
    .option('--ed25519-key <file>', `keys in base64, one a line, one of which must have signed ${signed}`)
}

/** The keys of the flags. */
export async function flagKeys({ gpgKeyring, ed25519Key }: TrustFlags): Promise<TrustedKeys | undefined> {
  if (gpgKeyring === undefined && ed25519Key === undefined) return undefined
  const { loadTrustedKeys } = await import('../../../index/ostree-remotes.js')
  return loadTrustedKeys({ gpgKeyring, ed25519Key })
}

/** The keys that the summary must be signed by, if any. */
export function flagSummaryKeys(flags: SummaryFlags, keys: TrustedKeys | undefined): TrustedKeys | undefined {
  if (flags.requireSummarySignature !== true) return undefined
  if (keys !== undefined) return keys
  throw new SluiceError('SLUICE_USAGE', '--require-summary-signature needs keys to check it by', {
    hint: 'give --gpg-keyring or --ed25519-key',
  })
}

export interface PullWords {
  readonly where: { readonly url: string } | { readonly remote: string }
  readonly ref: string
}

const REMOTE_AND_REF = /^([^:/]+):([^/].*)$/

/** @param source a URL, the name of a remote, or without `ref` `NAME:REF`; a word that is a directory is no name. */
export function readPullWords(source: string, ref: string | undefined): PullWords {
  const isDirectory = statSync(source, { throwIfNoEntry: false })?.isDirectory() === true
  const [, remote, remoteRef] = (ref === undefined && REMOTE_AND_REF.exec(source)) || []
  if (remote !== undefined && !isDirectory) return { where: { remote }, ref: remoteRef }
  if (ref === undefined) {
    throw new SluiceError('SLUICE_USAGE', 'which ref to pull is missing', {
      hint: 'write URL REF, or of a remote NAME REF or NAME:REF',
    })
  }
  return { where: source.includes('/') || isDirectory ? { url: source } : { remote: source }, ref }
}

/** Keys of flags count beside those of the remote, and in place of those of their kind. */
export async function pullAccess(
  repository: Repository,
  where: PullWords['where'],
  flags: RemoteFlags,
): Promise<RemoteAccess> {
  const { ostreeRemoteAccess } = await import('../../../index/ostree-pull.js')
  const configured =
    'url' in where ? { url: where.url, source: {}, pull: {} } : await ostreeRemoteAccess(repository, where.remote)
  const given = await flagKeys(flags)
  const keys = given === undefined ? configured.pull.keys : { ...configured.pull.keys, ...given }
  const summaryKeys = configured.source.summaryKeys ?? flagSummaryKeys(flags, keys)
  return {
    url: configured.url,
    source: {
      ...configured.source,
      ...(summaryKeys !== undefined && { summaryKeys: { ...summaryKeys, ...given } }),
      ...(flags.tlsVerify === false && { tlsVerify: false }),
    },
    pull: { ...configured.pull, ...(keys !== undefined && { keys }) },
  }
}
