/** The connections of one run: pooled, through proxies, with the TLS settings of each host. */
import { setMaxListeners } from 'node:events'
import type { Dispatcher } from 'undici'
import { SluiceError } from '../../../errors.js'
import { makeSecureContext, readHostCertificates } from './certificates.js'
import { proxyFor, type Environment } from './proxy.js'
import { connectWithReusedReads, MAX_HEADERS } from './reused-reads.js'
import { Agent, loadProxyAgent } from './undici.js'

export interface ConnectionOptions {
  readonly environment: Environment
  /** Folders like `/etc/containers/certs.d`, the first with a folder for the host counts. */
  readonly certificateDirectories: readonly string[]
  readonly connectTimeoutMs: number
}

export class Connections {
  readonly #options: ConnectionOptions
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>()
  /** Ends sockets that are not connected yet: undici leaves those alone until they are, or their time is over. */
  readonly #closing = new AbortController()

  constructor(options: ConnectionOptions) {
    // As it is now: to read `process.env` anew for each of the 13,000 requests to a repository of ostree takes long.
    this.#options = { ...options, environment: { ...options.environment } }
    setMaxListeners(0, this.#closing.signal)
  }

  /**
   * The pool to use for `url`; `insecure` accepts any certificate. @param registry the one on whose behalf it is asked: its
   * certificates are for its token server and its blob store, too, if these have none of their own.
   *
   * @throws SluiceError `SLUICE_FAILED` once closed.
   */
  async for(url: URL, insecure: boolean, registry?: string): Promise<Dispatcher> {
    if (this.#closing.signal.aborted) throw new SluiceError('SLUICE_FAILED', 'the source was closed')
    const proxy = proxyFor(url, this.#options.environment)
    const key = JSON.stringify([proxy, url.protocol === 'https:' ? [url.host, insecure, registry] : undefined])
    let dispatcher = this.#dispatchers.get(key)
    if (dispatcher === undefined) {
      dispatcher = this.#make(url, insecure, proxy, registry)
      this.#dispatchers.set(key, dispatcher)
    }
    return dispatcher
  }

  /** Closes every socket at once, also those in use. */
  async destroy(): Promise<void> {
    this.#closing.abort()
    const dispatchers = await Promise.allSettled(this.#dispatchers.values())
    this.#dispatchers.clear()
    await Promise.all(
      dispatchers.flatMap((dispatcher) => (dispatcher.status === 'fulfilled' ? [dispatcher.value.destroy()] : [])),
    )
  }

  async #make(
    url: URL,
    insecure: boolean,
    proxy: string | undefined,
    registry: string | undefined,
  ): Promise<Dispatcher> {
    const { environment, certificateDirectories, connectTimeoutMs } = this.#options
    const tls =
      url.protocol === 'https:'
        ? {
            secureContext: await makeSecureContext(
              environment,
              (await readHostCertificates(certificateDirectories, url.host)) ??
                (registry === undefined ? undefined : await readHostCertificates(certificateDirectories, registry)),
              insecure,
            ),
            rejectUnauthorized: !insecure,
          }
        : {}
    const connection = { timeout: connectTimeoutMs, signal: this.#closing.signal }
    if (proxy === undefined) {
      const isPlain = url.protocol === 'http:'
      const connect = isPlain ? connectWithReusedReads(connection) : { ...tls, ...connection }
      return new Agent({ connect, maxHeaderSize: MAX_HEADERS })
    }
    const ProxyAgent = await loadProxyAgent()
    // Without a tunnel for plain http: many proxies refuse CONNECT to other ports than 443.
    return new ProxyAgent({
      uri: proxy,
      proxyTunnel: false,
      requestTls: { ...tls, ...connection },
      proxyTls: connection,
    })
  }
}
