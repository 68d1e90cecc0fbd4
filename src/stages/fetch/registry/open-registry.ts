/** Puts a registry source together from a name and the configuration of the host. */
import { join } from 'node:path'
import { canonicalHost, formatRegistryName, type RegistryName } from '../../../formats/oci/registry-name.js'
import { Connections } from '../http/connections.js'
import { CredentialStore } from './credentials.js'
import { endpointsOf } from './endpoints.js'
import { HttpClient, type HttpOptions } from '../http/client.js'
import type { TransferSettings } from '../http/transfer-options.js'
import { userConfigFolder, type ConfigPlaces } from '../config-places.js'
import type { RegistriesConf } from './registries-conf.js'
import { RegistryClient } from './registry-client.js'
import { RegistrySource } from './registry-source.js'

export interface RegistryOptions extends ConfigPlaces, TransferSettings {
  /** False: accept any certificate and plain http, whatever registries.conf says; true: never. */
  readonly tlsVerify?: boolean
  /** For the registry of the name; empty ones count as none. */
  readonly credentials?: { readonly username: string; readonly password: string }
  readonly authFile?: string
  /** A folder like `/etc/containers/certs.d`, in place of the usual ones. */
  readonly certDir?: string
}

/** While another place may have the image, a mirror gets no more than this many attempts. */
const MIRROR_TRIES = 2

/** @param names what the reference may mean, in the order in which to look; all have one tag or digest. */
export function openRegistry(
  names: readonly RegistryName[],
  conf: RegistriesConf,
  options: RegistryOptions,
): RegistrySource {
  const { environment, home, etc, certDir, connectTimeoutMs, stallTimeoutMs, userAgent, retry, tlsVerify } = options
  const [name] = names as readonly [RegistryName]
  const where = `docker://${formatRegistryName(name)}`
  const user = userConfigFolder(options)
  const connections = new Connections({
    environment,
    connectTimeoutMs,
    certificateDirectories:
      certDir === undefined
        ? [join(user, 'certs.d'), join(etc, 'containers/certs.d'), join(etc, 'docker/certs.d')]
        : [certDir],
  })
  const closing = new AbortController()
  const store = new CredentialStore({
    environment,
    home,
    uid: process.getuid?.() ?? 0,
    lifetime: closing.signal,
    ...(options.authFile !== undefined && { authFile: options.authFile }),
    ...(conf.credentialHelpers && { helpers: conf.credentialHelpers }),
  })
  const http = (settings: Pick<HttpOptions, 'insecure' | 'registry'>): HttpClient =>
    new HttpClient({ ...settings, connections, stallTimeoutMs, userAgent })
  const { username = '', password = '' } = options.credentials ?? {}
  const stated = username === '' && password === '' ? undefined : { username, password }
  const endpoints = names.flatMap((name) =>
    endpointsOf(name, conf).map((endpoint) => ({ ...endpoint, isNamed: canonicalHost(endpoint.host) === name.host })),
  )
  const clients = endpoints.map(({ isNamed, ...endpoint }, i) => {
    const insecure = tlsVerify === undefined ? endpoint.insecure : !tlsVerify
    return new RegistryClient({
      endpoint: { ...endpoint, insecure },
      http: http({ insecure, registry: endpoint.host }),
      retry: i === endpoints.length - 1 ? retry : { ...retry, tries: Math.min(MIRROR_TRIES, retry.tries) },
      // Stated for one registry: no mirror gets them, and no other location.
      credentials: async () => (isNamed ? stated : undefined) ?? store.find(endpoint.host, endpoint.path),
      where,
      lifetime: closing.signal,
    })
  })
  return new RegistrySource({
    description: where,
    version: name.digest === undefined ? { tag: name.tag! } : { digest: name.digest },
    clients,
    anonymous: http({ insecure: false }),
    close: async () => {
      closing.abort()
      await connections.destroy()
    },
  })
}
