/**
 * Authorization for one repository at one registry (oci.md §11): Basic, Bearer tokens fetched with a password, an
 * identity token or nothing, renewed before they expire and once when the registry refuses one.
 */
import { SluiceError } from '../../../errors.js'
import { abortable } from '../../../flow/abortable.js'
import { retrying, type RetryPolicy } from '../../../flow/retry.js'
import { parseJsonAnswer } from '../../../formats/oci/json-fields.js'
import { redactUrl } from '../../../formats/redact.js'
import { parseChallenges, type Challenge } from './challenge.js'
import type { Credentials } from './credential.js'
import { WholeBody, type HttpAnswer, type HttpClient, type HttpRequest } from '../http/client.js'
import { registryError, secretsOf, type RegistryAnswer } from './registry-error.js'

export interface AuthOptions {
  readonly http: HttpClient
  readonly retry: RetryPolicy
  /** Looked up when a registry asks for authorization, once. */
  readonly credentials: () => Promise<Credentials | undefined>
  /** The repository in the registry. */
  readonly path: string
  /** Allow tokens to be fetched over plain http. */
  readonly insecure: boolean
  readonly where: string
  /** Ends with the source; token requests are shared by callers with signals of their own. */
  readonly lifetime: AbortSignal
}

interface Token {
  readonly header: string
  /** By `performance.now()`. */
  readonly renewAt: number
}

/** What a token is made of: anything else would not pass as a header, or end it. */
const inHeader = /^[\x21-\x7e]+$/
const CLIENT_ID = 'sluice'
const MAX_TOKEN_BYTES = 1024 * 1024
/** What a token lives when its server does not say, or says less: servers promise as much (seconds). */
const MIN_LIFETIME = 60
/** A token is renewed this long before it expires. */
const RENEWAL_MARGIN_MS = 10_000

export class Authenticator {
  readonly #options: AuthOptions
  #challenge: Challenge | undefined
  /** An image was refused without it: many registries ask for a password where they are looked for, and serve images to anyone. */
  #isDemanded = false
  #credentials: Promise<Credentials | undefined> | undefined
  #token: Promise<Token> | undefined
  /** The header of a token that the registry did not take. */
  #refusedHeader: string | undefined
  /** Asked for in a challenge, beyond what a pull asks for by itself. */
  #extraScope: string | undefined

  constructor(options: AuthOptions) {
    this.#options = options
  }

  /** The Authorization header to send; undefined as long as the registry asks for none, or none is known and it may do without. */
  async header(signal: AbortSignal): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined
    if (this.#challenge.scheme === 'basic') return this.#basicHeader(signal)
    return (await this.#freshToken(signal)).header
  }

  /** Takes note of what an answer with status 401 asks for, if it is known; gives the schemes that are offered. */
  learn(response: HttpAnswer): string[] {
    const challenges = parseChallenges(response.headerLines('www-authenticate'))
    const challenge = ['bearer', 'basic'].map((scheme) => challenges.find((c) => c.scheme === scheme)).find(Boolean)
    this.#challenge = challenge
    const scope = challenge?.parameters.get('scope')
    if (scope && scope !== this.#ownScope) this.#extraScope = scope
    return challenges.map(({ scheme }) => scheme)
  }

  /**
   * As `learn`, where an image was asked for. What was sent with it is not used again.
   *
   * @throws SluiceError `SLUICE_AUTH` if no scheme it offers is known.
   */
  refused(response: HttpAnswer, sent: string | undefined): void {
    const offered = this.learn(response).join(', ') || 'none'
    if (this.#challenge === undefined) {
      throw this.#error(`the registry wants authorization, but by no known scheme (offered: ${offered})`)
    }
    this.#isDemanded = true
    this.#refusedHeader = sent
  }

  get #ownScope(): string {
    return `repository:${this.#options.path}:pull`
  }

  #lookUpCredentials(): Promise<Credentials | undefined> {
    if (this.#credentials === undefined) {
      this.#credentials = this.#options.credentials()
      // It fails when the source is closed, and nobody may be waiting any more.
      this.#credentials.catch(() => undefined)
    }
    return this.#credentials
  }

  async #basicHeader(signal: AbortSignal): Promise<string | undefined> {
    const credentials = await abortable(this.#lookUpCredentials(), signal)
    if (credentials === undefined && !this.#isDemanded) return undefined
    if (credentials === undefined) throw this.#error('the registry wants a user name and a password')
    if ('identityToken' in credentials) throw this.#error('the registry takes no identity tokens')
    return basic(credentials)
  }

  /** One request for all who need a token at the same time. */
  async #freshToken(signal: AbortSignal): Promise<Token> {
    const present = this.#token
    if (present !== undefined) {
      const token = await abortable(present, signal)
      if (performance.now() < token.renewAt && token.header !== this.#refusedHeader) return token
    }
    if (this.#token === present) {
      const { retry, lifetime } = this.#options
      this.#refusedHeader = undefined
      const fetching = retrying(retry, lifetime, () => this.#fetchToken()).catch(giveUp)
      this.#token = fetching
      fetching.catch(() => {
        if (this.#token === fetching) this.#token = undefined
      })
    }
    return abortable(this.#token!, signal)
  }

  async #fetchToken(): Promise<Token> {
    const { http, lifetime, where } = this.#options
    const credentials = await this.#lookUpCredentials()
    const parameters = this.#challenge!.parameters
    const realm = this.#realm(parameters.get('realm'))
    const query = new URLSearchParams()
    const service = parameters.get('service')
    if (service) query.set('service', service)
    const scopes = [this.#ownScope, ...(this.#extraScope === undefined ? [] : [this.#extraScope])]
    const token = `${where}: token`
    let request: Pick<HttpRequest, 'form' | 'headers'>
    let secrets: string[]
    if (credentials !== undefined && 'identityToken' in credentials) {
      query.set('grant_type', 'refresh_token')
      query.set('refresh_token', credentials.identityToken)
      query.set('scope', scopes.join(' '))
      query.set('client_id', CLIENT_ID)
      request = { form: query }
      secrets = [credentials.identityToken]
    } else {
      for (const scope of scopes) query.append('scope', scope)
      // As in other tools, half of a password is none: token servers refuse it, but not who comes without.
      const isWhole = credentials !== undefined && credentials.username !== '' && credentials.password !== ''
      if (isWhole) query.set('account', credentials.username)
      for (const [name, value] of query) realm.searchParams.append(name, value)
      const authorization = isWhole ? basic(credentials) : undefined
      request = authorization === undefined ? {} : { headers: { authorization } }
      secrets = secretsOf(authorization)
    }
    const body = new WholeBody(MAX_TOKEN_BYTES, token)
    const answer: RegistryAnswer = await http.receive(
      { ...request, url: realm, signal: lifetime, where: token },
      body.accept,
    )
    answer.secrets = secrets
    if (answer.status !== 200) throw noToken(registryError(answer, token))
    return this.#readToken(body.bytes(), answer.url)
  }

  #readToken(bytes: Buffer, url: URL): Token {
    const document = `${this.#options.where}: token of ${redactUrl(url)}`
    let answer: Readonly<Record<string, unknown>>
    try {
      answer = parseJsonAnswer(bytes, document)
    } catch (cause) {
      // The cause would quote the document, and the token with it.
      const message = cause instanceof SluiceError ? cause.message : 'unreadable'
      throw new SluiceError('SLUICE_HTTP', message)
    }
    const token = answer['token'] || answer['access_token']
    if (typeof token !== 'string' || !inHeader.test(token)) {
      throw this.#error(`${redactUrl(url)} answered without a token that can be sent`)
    }
    // Some servers give a string of digits.
    const lifetime = Math.max(MIN_LIFETIME, Number(answer['expires_in']) || MIN_LIFETIME)
    // From now and not from `issued_at`: the clock of the server may be another.
    return { header: `Bearer ${token}`, renewAt: performance.now() + lifetime * 1000 - RENEWAL_MARGIN_MS }
  }

  #realm(text: string | undefined): URL {
    if (text === undefined || !URL.canParse(text)) throw this.#error('the registry names no token server')
    const realm = new URL(text)
    const allowed = realm.protocol === 'https:' || (realm.protocol === 'http:' && this.#options.insecure)
    if (!allowed) throw this.#error(`the token server ${redactUrl(realm)} is not reached by https`)
    return realm
  }

  #error(message: string): SluiceError {
    return new SluiceError('SLUICE_AUTH', `${this.#options.where}: ${message}`, {
      hint: 'log in, for instance with `podman login`, or set REGISTRY_AUTH_FILE',
    })
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** The image may well be there: what is not found is the token server. */
function noToken(error: SluiceError): SluiceError {
  if (error.code !== 'SLUICE_NOT_FOUND') return error
  return new SluiceError('SLUICE_HTTP', error.message, { cause: error, details: error.details })
}

/** The token server was asked as often as it may be: those who wait for the token do not begin again. */
function giveUp(error: unknown): never {
  if (!(error instanceof SluiceError) || !error.retryable) throw error
  const { code, message, details, hint } = error
  throw new SluiceError(code, message, { cause: error, details, ...(hint !== undefined && { hint }) })
}
