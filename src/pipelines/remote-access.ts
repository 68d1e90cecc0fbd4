/** How to pull from a remote that was added: what its configuration means for a pull (ostree.md §3.8). */
import { SluiceError } from '../errors.js'
import type { OstreeRemote } from '../formats/ostree/remote-config.js'
import type { Repository } from '../repository/repository.js'
import type { RemoteOptions } from '../stages/ostree/remote-source.js'
import type { OstreePullOptions } from './ostree-events.js'
import { ostreeRemote, ostreeRemoteTrust } from './ostree-remotes.js'

export interface RemoteAccess {
  /** Of the repository, or `mirrorlist=URL`. */
  readonly url: string
  /** For `openRemoteOstree`. */
  readonly source: Pick<RemoteOptions, 'contentUrl' | 'summaryKeys' | 'tlsVerify'>
  /** For `pullOstree`. */
  readonly pull: Pick<OstreePullOptions, 'keys' | 'collectionId'>
}

/**
 * Of the remote of that name.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if there is none, `SLUICE_UNSUPPORTED` if it is set to what pulls cannot do,
 * `SLUICE_CONFIG` if keys are missing.
 */
export async function ostreeRemoteAccess(repository: Repository, name: string): Promise<RemoteAccess> {
  const remote = ostreeRemote(repository, name)
  const url = supportedUrl(remote)
  const { commits, summary } = await ostreeRemoteTrust(repository, remote)
  return {
    url,
    source: {
      ...(remote.contentUrl !== undefined && { contentUrl: remote.contentUrl }),
      ...(summary !== undefined && { summaryKeys: summary }),
      ...(remote.tlsPermissive && { tlsVerify: false }),
    },
    pull: {
      ...(commits !== undefined && { keys: commits }),
      ...(remote.collectionId !== undefined && { collectionId: remote.collectionId }),
    },
  }
}

/** Where the remote is. What it wants and cannot get is refused: to leave it out may mean another server, or other trust. */
function supportedUrl(remote: OstreeRemote): string {
  const { name, url, unconfiguredState, customBackend } = remote
  if (unconfiguredState !== undefined) {
    throw new SluiceError('SLUICE_CONFIG', `remote ${name} cannot be used yet: ${unconfiguredState}`)
  }
  const unsupported: readonly (readonly [setting: string, isSet: boolean, hint?: string])[] = [
    ['custom-backend', customBackend !== undefined],
    ['metalink', url === undefined],
    ['tls-client-cert-path', remote.tlsClientCertPath !== undefined],
    ['tls-ca-path', remote.tlsCaPath !== undefined, 'put the certificate into /etc/containers/certs.d/HOST/ca.crt'],
    ['proxy', remote.proxy !== undefined, 'set HTTPS_PROXY or HTTP_PROXY in the environment'],
  ]
  for (const [
    setting,
    isSet,
    hint = 'add the remote again without, with "--force" and the URL of a server',
  ] of unsupported) {
    if (isSet)
      throw new SluiceError('SLUICE_UNSUPPORTED', `remote ${name} has ${setting}, which pulls do not support`, { hint })
  }
  return url!
}
