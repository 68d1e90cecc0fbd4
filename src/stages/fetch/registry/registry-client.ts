/** One repository at one registry: finds the scheme, sends authorized requests (oci.md §11). */
import { SluiceError } from '../../../errors.js'
import { abortable } from '../../../flow/abortable.js'
import { retrying, type RetryPolicy } from '../../../flow/retry.js'
import { looksLikeHtml } from '../../../formats/oci/json-fields.js'
import { redactUrl } from '../../../formats/redact.js'
import { isHostName, serverHost } from '../../../formats/oci/registry-name.js'
import { Authenticator } from './auth.js'
import type { Credentials } from './credential.js'
import type { Endpoint } from './endpoints.js'
import { WholeBody, type AcceptBody, type HttpAnswer, type HttpClient } from '../http/client.js'
import { registryError, secretsOf, type RegistryAnswer } from './registry-error.js'

export interface RegistryClientOptions {
  readonly endpoint: Endpoint
  readonly http: HttpClient
  readonly retry: RetryPolicy
  readonly credentials: () => Promise<Credentials | undefined>
  /** The reference, for errors. */
  readonly where: string
  /** Ends with the source. */
  readonly lifetime: AbortSignal
}

export interface FetchedDocument {
  readonly bytes: Buffer
  readonly mediaType: string | undefined
}

type Headers = Readonly<Record<string, string>>

/** Answers with 401 to requests that had an authorization, before the registry's word is taken. */
const MAX_AUTHORIZATIONS = 2

export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #authenticator: Authenticator
  #base: Promise<string> | undefined

  constructor(options: RegistryClientOptions) {
    const { endpoint, http, retry, credentials, where, lifetime } = options
    this.#options = options
    const { path, insecure } = endpoint
    this.#authenticator = new Authenticator({ http, retry, credentials, path, insecure, where, lifetime })
  }

  get endpoint(): Endpoint {
    return this.#options.endpoint
  }

  get retry(): RetryPolicy {
    return this.#options.retry
  }

  /**
   * The answer for a resource of the repository, such as `blobs/sha256:…`, whatever its status; its body goes where `accept`
   * says. Asks again with other credentials while it is refused, but otherwise once.
   */
  async receive(resource: string, headers: Headers, signal: AbortSignal, accept: AcceptBody): Promise<RegistryAnswer> {
    const { http, endpoint, where } = this.#options
    const url = new URL(`/v2/${endpoint.path}/${resource}`, await this.#serverBase(signal))
    for (let attempt = 0; ; attempt++) {
      const isRefusal = ({ status, elsewhere }: HttpAnswer): boolean =>
        status === 401 && !elsewhere && attempt < MAX_AUTHORIZATIONS
      const authorization = await this.#authenticator.header(signal)
      const authorized = authorization === undefined ? headers : { ...headers, authorization }
      const answer: RegistryAnswer = await http.receive({ url, headers: authorized, signal, where }, (answer) =>
        isRefusal(answer) ? undefined : accept(answer),
      )
      answer.secrets = secretsOf(authorization)
      if (!isRefusal(answer)) return answer
      this.#authenticator.refused(answer, authorization)
    }
  }

  /** A document of at most `limit` bytes, with retries; any status but 200 is an error. */
  async document(resource: string, accept: string, limit: number, signal: AbortSignal): Promise<FetchedDocument> {
    return retrying(this.retry, signal, async () => {
      const { where } = this.#options
      const body = new WholeBody(limit, where)
      const answer = await this.receive(resource, { accept }, signal, body.accept)
      if (answer.status !== 200) throw registryError(answer, where)
      const bytes = body.bytes()
      if (looksLikeHtml(bytes)) {
        throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(answer.url)} answered 200 with an HTML page`, {
          hint: 'this may not be a registry, or a proxy wants a login',
        })
      }
      return { bytes, mediaType: answer.mediaType }
    })
  }

  /** `https://host`, or `http://host` if the registry is marked insecure and speaks nothing else. */
  async #serverBase(signal: AbortSignal): Promise<string> {
    if (this.#base === undefined) {
      const base = this.#ping()
      this.#base = base
      base.catch(() => {
        if (this.#base === base) this.#base = undefined
      })
    }
    return abortable(this.#base, signal)
  }

  /** Also learns what authorization the registry wants. */
  async #ping(): Promise<string> {
    const { http, endpoint, lifetime, where } = this.#options
    const host = serverHost(endpoint.host)
    if (!isHostName(host)) {
      throw new SluiceError('SLUICE_CONFIG', `${where}: ${JSON.stringify(host)} is not a host, or its port is none`)
    }
    let failure: SluiceError | undefined
    for (const scheme of endpoint.insecure ? ['https', 'http'] : ['https']) {
      const base = `${scheme}://${host}`
      let answer: HttpAnswer
      try {
        answer = await http.receive({ url: new URL('/v2/', base), signal: lifetime, where }, () => undefined)
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'SLUICE_NETWORK') throw error
        failure = failure === undefined ? error : unreachable(failure, error, where)
        continue
      }
      // Some registries do not answer here, but serve images all the same: then the request itself will tell.
      if (answer.status === 429 || answer.status >= 500) throw registryError(answer, where)
      if (answer.status === 401) this.#authenticator.learn(answer)
      return base
    }
    throw failure
  }
}

/**
 * Where there is no TLS, it counts why plain http fails: that may pass. But some servers without TLS just close the
 * connection, as one does that has TLS and is out of order: then either may be the reason.
 */
function unreachable(https: SluiceError, http: SluiceError, where: string): SluiceError {
  if (!https.retryable) return http
  const message = `${https.message}; ${http.message.replace(`${where}: `, '')}`
  return new SluiceError('SLUICE_NETWORK', message, { cause: http, retryable: true, details: http.details })
}
