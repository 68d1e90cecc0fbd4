/**
 * HTTP with redirects followed by hand, so that no authorization goes to another host (practice.md trap 1), and with a
 * limit on silence rather than on duration.
 */
import { formatError, SluiceError } from '../../../errors.js'
import { redactUrl } from '../../../formats/redact.js'
import type { Connections } from './connections.js'
import { connectionError } from './errors.js'
import { receive, type AnswerHeaders, type BodySink } from './receive.js'

export interface HttpOptions {
  readonly connections: Connections
  /** Accept any certificate. */
  readonly insecure: boolean
  /** `host[:port]` of the registry whose certificates count also where requests lead from there. */
  readonly registry?: string
  /** Milliseconds without a byte after which a transfer counts as broken. */
  readonly stallTimeoutMs: number
  readonly userAgent: string
}

export interface HttpRequest {
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** A form to POST; without one the request is a GET. */
  readonly form?: URLSearchParams
  /** Content encodings that the file has as it is stored: some servers name that of a `.gz` file. */
  readonly encodings?: readonly string[]
  readonly signal: AbortSignal
  /** The reference, for errors. */
  readonly where: string
}

/** Told what the answer is before its body comes; gives who takes the body, undefined if nobody wants it. */
export type AcceptBody = (answer: HttpAnswer) => BodySink | undefined

const MAX_REDIRECTS = 10
/** One for all answers: a repository of ostree has 13,000. */
const nothing = new Uint8Array(0)

export class HttpClient {
  readonly #options: HttpOptions

  constructor(options: HttpOptions) {
    this.#options = options
  }

  /** The answer to a request, whatever its status, when all of its body is taken; redirects of a GET are followed. */
  async receive(wanted: HttpRequest, accept: AcceptBody): Promise<HttpAnswer> {
    const { url, headers = {}, form, where } = wanted
    let current = url
    const sent: Record<string, string> = {
      'user-agent': this.#options.userAgent,
      'accept-encoding': 'identity',
      ...headers,
      ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
    }
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(current, { ...sent }, wanted, accept)
      const next = form === undefined ? redirectTarget(answer, where) : undefined
      if (next === undefined) return answer
      if (redirects === MAX_REDIRECTS) {
        throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(url)} redirects more than ${MAX_REDIRECTS} times`)
      }
      if (next.host !== current.host) delete sent['authorization']
      current = next
    }
  }

  async #once(
    at: URL,
    headers: Record<string, string>,
    { url, form, encodings, signal, where }: HttpRequest,
    accept: AcceptBody,
  ): Promise<HttpAnswer> {
    const { connections, insecure, registry, stallTimeoutMs } = this.#options
    let answer: HttpAnswer | undefined
    try {
      const dispatcher = await connections.for(at, insecure, registry)
      const request = { headers, form: form?.toString(), signal, stallTimeoutMs }
      const unwanted = await receive(dispatcher, at, request, (status, answered) => {
        answer = new HttpAnswer(status, answered, at, at.host !== url.host)
        const sink = redirects.includes(status) ? undefined : accept(answer)
        if (sink !== undefined) refuseEncoding(answer, where, encodings)
        return sink
      })
      answer!.unwanted = unwanted
    } catch (error) {
      throw connectionError(error, at, where, signal)
    }
    return answer!
  }
}

const redirects: readonly number[] = [301, 302, 303, 307, 308]

/** Where an answer points to; undefined if it is not a redirect. */
function redirectTarget(response: HttpAnswer, where: string): URL | undefined {
  const location = response.header('location')
  if (!redirects.includes(response.status) || location === undefined) return undefined
  const refuse = (why: string): never => {
    throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(response.url)} redirects ${why}`)
  }
  if (!URL.canParse(location, response.url.href)) return refuse('to something that is no URL')
  const next = new URL(location, response.url)
  if (next.protocol !== 'https:' && next.protocol !== 'http:') refuse(`to ${next.protocol}`)
  if (response.url.protocol === 'https:' && next.protocol === 'http:') refuse('from https down to http')
  return next
}

/** Nobody asked for an encoding. */
function refuseEncoding(answer: HttpAnswer, where: string, stored: readonly string[] = []): void {
  const encoding = answer.encodings.find((name) => !stored.includes(name))
  if (encoding === undefined) return
  const what = `answered with content encoding ${encoding}, which was not asked for`
  throw new SluiceError('SLUICE_HTTP', `${where}: ${redactUrl(answer.url)} ${what}`)
}

/**
 * What servers name and that leaves other bytes than those that were asked for. The rest, such as the `aws-chunked` or `utf-8`
 * of some blob stores, is passed over, as by other tools.
 */
const compressions = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'compress', 'x-compress'])

/** What an answer begins with, and what came of its body that nobody wanted. */
export class HttpAnswer {
  readonly status: number
  /** Where it came from, after redirects. */
  readonly url: URL
  /** Whether a redirect led to another host. */
  readonly elsewhere: boolean
  /** The beginning of a body that nobody wanted, once it has come; it may tell why. */
  unwanted: Uint8Array = nothing
  readonly #headers: AnswerHeaders

  constructor(status: number, headers: AnswerHeaders, url: URL, elsewhere: boolean) {
    this.status = status
    this.url = url
    this.elsewhere = elsewhere
    this.#headers = headers
  }

  /** Whether the body is what was asked for: 200, or what proxies and odd servers say in its place, such as 203. */
  get succeeded(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** The value of a header; of several lines the first. */
  header(name: string): string | undefined {
    return this.headerLines(name)[0]
  }

  headerLines(name: string): string[] {
    const value = this.#headers[name]
    return value === undefined ? [] : Array.isArray(value) ? value : [value]
  }

  /** How the body is compressed, in lower case; empty if it is not. */
  get encodings(): string[] {
    const names = this.headerLines('content-encoding').flatMap((line) => line.split(','))
    return names.map((name) => name.trim().toLowerCase()).filter((name) => compressions.has(name))
  }

  /** The media type without parameters, lower case. */
  get mediaType(): string | undefined {
    return this.header('content-type')?.split(';')[0]!.trim().toLowerCase()
  }
}

/** Takes the body of an answer that succeeded as a whole. */
export class WholeBody {
  readonly #where: string
  readonly #limit: number
  readonly #pieces: Uint8Array[] = []
  #length = 0

  /** @param limit bytes. @param where the reference, for errors. */
  constructor(limit: number, where: string) {
    this.#limit = limit
    this.#where = where
  }

  /** @throws SluiceError, from what it gives, `SLUICE_FORMAT` for a body that is longer than the limit. */
  readonly accept: AcceptBody = ({ succeeded, url }) => {
    if (!succeeded) return undefined
    return (piece) => {
      this.#length += piece.length
      if (this.#length > this.#limit) {
        throw formatError(this.#where, `${redactUrl(url)} has more than ${this.#limit} bytes`)
      }
      this.#pieces.push(Buffer.from(piece))
      return undefined
    }
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces, this.#length)
  }
}
