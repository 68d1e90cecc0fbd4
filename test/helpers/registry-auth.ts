/** Authorization of a test registry: Basic, or Bearer with a token endpoint at `/token`. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

export interface RegistryAuth {
  readonly type: 'basic' | 'bearer'
  /** Who may pull; without a name, tokens are given to anyone. */
  readonly username?: string
  readonly password?: string
  /** Accepted in exchange for tokens. */
  readonly identityToken?: string
  /** Seconds; default 60. */
  readonly expiresIn?: number
  /** Instead of what is usual in the answer with a token. */
  readonly answer?: (token: string) => Readonly<Record<string, unknown>>
  /** Where the challenge sends clients; default: this registry. */
  readonly realm?: string
  /** What the challenge names besides the realm. */
  readonly parameters?: string
  /** Put before the challenge, for instance `Negotiate, `. */
  readonly prefix?: string
}

export class RegistryGuard {
  readonly #auth: RegistryAuth
  readonly #origin: string
  /** Tokens and when they expire, in milliseconds. */
  readonly #tokens = new Map<string, number>()
  /** Parameters of every token request. */
  readonly tokenRequests: URLSearchParams[] = []

  constructor(auth: RegistryAuth, origin: string) {
    this.#auth = auth
    this.#origin = origin
  }

  /** Makes every token given so far invalid. */
  revokeTokens(): void {
    this.#tokens.clear()
  }

  allows(request: IncomingMessage): boolean {
    const header = request.headers.authorization ?? ''
    if (this.#auth.type === 'basic') return header === this.#basic()
    return (this.#tokens.get(header.replace(/^Bearer /, '')) ?? 0) > Date.now()
  }

  challenge(response: ServerResponse, scope: string | undefined): void {
    const { type, realm, prefix = '' } = this.#auth
    const usual = `service="test \\"registry\\""${scope === undefined ? '' : `,scope="${scope}"`}`
    const bearer = `Bearer realm="${realm ?? `${this.#origin}/token`}",${this.#auth.parameters ?? usual}`
    const challenge = type === 'basic' ? 'Basic realm="test"' : bearer
    response.writeHead(401, { 'www-authenticate': prefix + challenge, 'content-type': 'application/json' })
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')
  }

  async giveToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = request.method === 'POST' ? await text(request) : new URL(request.url!, 'http://x').search
    const parameters = new URLSearchParams(form)
    this.tokenRequests.push(parameters)
    const { username, identityToken, expiresIn = 60 } = this.#auth
    const allowed =
      request.method === 'POST'
        ? identityToken !== undefined && parameters.get('refresh_token') === identityToken
        : username === undefined || request.headers.authorization === this.#basic()
    if (!allowed) {
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end('{"details":"incorrect username or password"}')
      return
    }
    const token = randomUUID()
    this.#tokens.set(token, Date.now() + expiresIn * 1000)
    response.writeHead(200, { 'content-type': 'application/json' })
    const name = request.method === 'POST' ? 'access_token' : 'token'
    const answer = { [name]: token, expires_in: expiresIn, issued_at: new Date().toISOString() }
    response.end(JSON.stringify({ ...answer, ...this.#auth.answer?.(token) }))
  }

  #basic(): string {
    const { username = '', password = '' } = this.#auth
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
}
