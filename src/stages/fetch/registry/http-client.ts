/**
 * HTTP with redirects followed by hand, so that no authorization goes to another host (practice.md trap 1), and with a
 * limit on silence rather than on duration.
 */
import type { Dispatcher } from 'undici'
import { formatError, SluiceError } from '../../../errors.js'
import { redactUrl } from '../../../formats/oci/redact.js'
import type { Connections } from './connections.js'
import { connectionError, statusError } from './http-errors.js'
import { receive, type AnswerHeaders, type BodySink } from './receive.js'
import { request } from './undici.js'

export interface HttpOptions {
  readonly connections: Connections
  /** Accept any certificate. */
  readonly insecure: boolean
  /** Milliseconds without a byte after which a transfer counts as broken. */
  readonly stallTimeoutMs: number
  readonly userAgent: string
}

export interface HttpRequest {
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** A form to POST; without one the request is a GET. */
  readonly form?: URLSearchParams
  readonly signal: AbortSignal
  /** The reference, for errors. */
  readonly where: string
}

/** Told what the answer is before its body comes; gives who takes the body, undefined if nobody wants it. */
export type AcceptBody = (answer: HttpAnswer) => BodySink | undefined

const MAX_REDIRECTS = 10
/** What is read of the body of an error. */
const MAX_ERROR_BYTES = 64 * 1024
/** One for all answers: a repository of ostree has 13,000. */
const nothing = new Uint8Array(0)

export class HttpClient {
  readonly #options: HttpOptions

  constructor(options: HttpOptions) {
    this.#options = options
  }

  /** The answer to a request, whatever its status; redirects of a GET are followed. */
  async send(wanted: HttpRequest): Promise<HttpResponse> {
    const { url, form, signal, where } = wanted
    return this.#following(wanted, async (at, headers) => {
      const answer = await this.#once(at, headers, form, signal, where)
      return new HttpResponse(answer, at, at.host !== url.host, where, signal)
    })
  }

  /**
   * The answer to a GET, whatever its status, when all of its body is taken; redirects are followed.
   */
  async receive(wanted: Omit<HttpRequest, 'form'>, accept: AcceptBody): Promise<ReceivedAnswer> {
    const { connections, insecure, stallTimeoutMs } = this.#options
    const { url, signal, where } = wanted
    return this.#following(wanted, async (at, headers) => {
      let answer: ReceivedAnswer | undefined
      try {
        const dispatcher = await connections.for(at, insecure)
        const unwanted = await receive(dispatcher, at, { headers, signal, stallTimeoutMs }, (status, answered) => {
          answer = new ReceivedAnswer(status, answered, at, at.host !== url.host)
          const sink = redirects.includes(status) ? undefined : accept(answer)
          if (sink !== undefined) refuseEncoding(answer, where)
          return sink
        })
        answer!.unwanted = unwanted
      } catch (error) {
        throw connectionError(error, at, where, signal)
      }
      return answer!
    })
  }

  async #following<Answer extends HttpAnswer>(
    { url, headers = {}, form, where }: HttpRequest,
    once: (url: URL, headers: Record<string, string>) => Promise<Answer>,
  ): Promise<Answer> {
    let current = url
    const sent: Record<string, string> = {
      'user-agent': this.#options.userAgent,
      'accept-encoding': 'identity',
      ...headers,
      ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
    }
    for (let redirects = 0; ; redirects++) {
      const answer = await once(current, { ...sent })
      const next = form === undefined ? redirectTarget(answer, where) : undefined
      if (next === undefined) return answer
      answer.drain()
      if (redirects === MAX_REDIRECTS) {
        throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(url)} redirects more than ${MAX_REDIRECTS} times`)
      }
      if (next.host !== current.host) delete sent['authorization']
      current = next
    }
  }

  async #once(
    url: URL,
    headers: Record<string, string>,
    form: URLSearchParams | undefined,
    signal: AbortSignal,
    where: string,
  ): Promise<Dispatcher.ResponseData> {
    const { connections, insecure, stallTimeoutMs } = this.#options
    try {
      return await request(await connections.for(url, insecure), url, {
        method: form === undefined ? 'GET' : 'POST',
        headers,
        body: form === undefined ? null : form.toString(),
        signal,
        headersTimeout: stallTimeoutMs,
        bodyTimeout: stallTimeoutMs,
      })
    } catch (error) {
      throw connectionError(error, url, where, signal)
    }
  }
}

const redirects: readonly number[] = [301, 302, 303, 307, 308]

/** Where an answer points to; undefined if it is not a redirect. */
function redirectTarget(response: HttpAnswer, where: string): URL | undefined {
  const location = response.header('location')
  if (!redirects.includes(response.status) || location === undefined) return undefined
  const refuse = (why: string): never => {
    response.discard()
    throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(response.url)} redirects ${why}`)
  }
  if (!URL.canParse(location, response.url.href)) return refuse('to something that is no URL')
  const next = new URL(location, response.url)
  if (next.protocol !== 'https:' && next.protocol !== 'http:') refuse(`to ${next.protocol}`)
  if (response.url.protocol === 'https:' && next.protocol === 'http:') refuse('from https down to http')
  return next
}

/** Nobody asked for an encoding. */
function refuseEncoding(answer: HttpAnswer, where: string): void {
  const encoding = answer.header('content-encoding')
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  answer.discard()
  const what = `answered with content encoding ${encoding}, which was not asked for`
  throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(answer.url)} ${what}`)
}

/** What an answer begins with. */
export class HttpAnswer {
  readonly status: number
  /** Where it came from, after redirects. */
  readonly url: URL
  /** Whether a redirect led to another host. */
  readonly elsewhere: boolean
  readonly #headers: AnswerHeaders

  constructor(status: number, headers: AnswerHeaders, url: URL, elsewhere: boolean) {
    this.status = status
    this.url = url
    this.elsewhere = elsewhere
    this.#headers = headers
  }

  /** The value of a header; of several lines the first. */
  header(name: string): string | undefined {
    return this.headerLines(name)[0]
  }

  headerLines(name: string): string[] {
    const value = this.#headers[name]
    return value === undefined ? [] : Array.isArray(value) ? value : [value]
  }

  /** The media type without parameters, lower case. */
  get mediaType(): string | undefined {
    return this.header('content-type')?.split(';')[0]!.trim().toLowerCase()
  }

  /** Gives up the body, if it is still to come, and its connection. */
  discard(): void {}

  /** Reads a short body to its end, if it is still to come, so that its connection can be used again. */
  drain(): void {}
}

/** An answer whose body has been taken. */
export class ReceivedAnswer extends HttpAnswer {
  /** The beginning of the body, if nobody wanted it. */
  unwanted: Uint8Array = nothing
}

/** An answer whose body must be consumed or discarded. */
export class HttpResponse extends HttpAnswer {
  readonly #body: Dispatcher.ResponseData['body']
  readonly #where: string
  readonly #signal: AbortSignal

  constructor(answer: Dispatcher.ResponseData, url: URL, elsewhere: boolean, where: string, signal: AbortSignal) {
    super(answer.statusCode, answer.headers, url, elsewhere)
    this.#body = answer.body
    // Errors reach whoever iterates; a discarded body has nobody to tell.
    this.#body.on('error', () => {})
    this.#where = where
    this.#signal = signal
  }

  /** The body in pieces. Closes the connection if it is not read to its end. */
  async *body(): AsyncGenerator<Uint8Array> {
    refuseEncoding(this, this.#where)
    try {
      for await (const chunk of this.#body) yield chunk as Uint8Array
    } catch (error) {
      throw connectionError(error, this.url, this.#where, this.#signal)
    } finally {
      this.discard()
    }
  }

  /** The whole body; `SLUICE_FORMAT` if it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    let total = 0
    for await (const piece of this.body()) {
      total += piece.length
      if (total > limit) throw formatError(this.#where, `${redactUrl(this.url)} answered with more than ${limit} bytes`)
      pieces.push(piece)
    }
    return Buffer.concat(pieces, total)
  }

  /** Turns an answer that is not wanted into an error. */
  async toError(): Promise<SluiceError> {
    const body = await this.bytes(MAX_ERROR_BYTES).catch(() => Buffer.alloc(0))
    return statusError(this, body, this.#where)
  }

  override discard(): void {
    this.#body.destroy()
  }

  override drain(): void {
    this.#body.dump({ limit: MAX_ERROR_BYTES }).catch(() => {})
  }
}
