/** Requests to a repository at a URL, with the retries and time limits of registries. */
import { SluiceError } from '../../errors.js'
import { redactUrl } from '../../formats/redact.js'
import { retrying, type RetryPolicy } from '../../flow/retry.js'
import { WholeBody, type AcceptBody, type HttpAnswer, type HttpClient } from '../fetch/http/client.js'
import { statusError } from '../fetch/http/errors.js'
import type { BodySink } from '../fetch/http/receive.js'
import { remoteUrl, type RemoteBase } from './remote-urls.js'

export interface RemoteClientOptions {
  readonly base: RemoteBase
  readonly http: HttpClient
  readonly retry: RetryPolicy
}

export class RemoteClient {
  readonly #base: RemoteBase
  readonly #http: HttpClient
  readonly #retry: RetryPolicy

  constructor({ base, http, retry }: RemoteClientOptions) {
    this.#base = base
    this.#http = http
    this.#retry = retry
  }

  /** Where the repository is; of one with mirrors, once `open` has found it, the mirror that leads. */
  get base(): RemoteBase {
    return this.#base
  }

  /** The repository, without secrets. */
  get description(): string {
    return redactUrl(this.base.url)
  }

  /** Finds out where the repository is, if that is not known. Every request does so. */
  async open(_signal: AbortSignal): Promise<void> {}

  /** The answer to one request, whatever its status, and the document in it, of at most `limit` bytes, if it succeeded. */
  async get(
    segments: readonly string[],
    limit: number,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ answer: HttpAnswer; bytes: Buffer }> {
    const body = new WholeBody(limit, 'ostree')
    const answer = await this.#receive(segments, signal, headers, body.accept)
    return { answer, bytes: body.bytes() }
  }

  /**
   * One request for a document that goes to `sink` as it comes.
   *
   * @throws SluiceError for any status but those of success (ostree.md §2.4), and if the document ends early.
   */
  async receive(segments: readonly string[], signal: AbortSignal, sink: BodySink): Promise<void> {
    let length = 0
    const counted: BodySink = (piece) => {
      length += piece.length
      return sink(piece)
    }
    const answer = await this.#receive(segments, signal, {}, ({ succeeded }) => (succeeded ? counted : undefined))
    ensureWhole(answer, length)
  }

  /** A document of at most `limit` bytes, with retries. @throws SluiceError as `receive`. */
  async document(segments: readonly string[], limit: number, signal: AbortSignal): Promise<Buffer> {
    return this.retrying(signal, async (client) => {
      const { answer, bytes } = await client.get(segments, limit, signal)
      ensureWhole(answer, bytes.length)
      return bytes
    })
  }

  /** As `document`, or undefined if there is none. */
  async optionalDocument(segments: readonly string[], limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    // Outside, as a list of mirrors that is not there says nothing about the document.
    await this.open(signal)
    try {
      return await this.document(segments, limit, signal)
    } catch (error) {
      if (saysAbsent(error)) return undefined
      throw error
    }
  }

  /** Runs one request until it succeeds, as the policy has it; `work` sends it with the client that it gets. */
  async retrying<Result>(signal: AbortSignal, work: (client: RemoteClient) => Promise<Result>): Promise<Result> {
    return retrying(this.#retry, signal, () => work(this))
  }

  async #receive(
    segments: readonly string[],
    signal: AbortSignal,
    headers: Readonly<Record<string, string>>,
    accept: AcceptBody,
  ): Promise<HttpAnswer> {
    await this.open(signal)
    const { base } = this
    const { authorization } = base
    const request = {
      url: remoteUrl(base, segments),
      headers: { accept: '*/*', ...headers, ...(authorization !== undefined && { authorization }) },
      ...(segments.at(-1)?.endsWith('.gz') === true && { encodings: ['gzip', 'x-gzip'] }),
      signal,
      where: 'ostree',
    }
    return this.#http.receive(request, accept)
  }
}

/** 404 and 410; and 403, which stores of objects answer to who may not list what they have (ostree.md §3.8). */
export function saysAbsent(error: unknown): boolean {
  if (!(error instanceof SluiceError)) return false
  return error.code === 'SLUICE_NOT_FOUND' || (error.code === 'SLUICE_AUTH' && error.details['status'] === 403)
}

/** The error for an answer with a status that is not wanted. What is in it is for browsers. */
export function refused(answer: HttpAnswer): SluiceError {
  return statusError(answer, 'ostree', { loginHint: 'put user and password into the URL' })
}

/** An answer that succeeded and came whole: a proxy may end one early as if it were. @param length bytes that came. */
function ensureWhole(response: HttpAnswer, length: number): void {
  if (!response.succeeded) throw refused(response)
  const stated = response.header('content-length')
  if (stated === undefined || Number(stated) === length) return
  throw new SluiceError(
    'SLUICE_NETWORK',
    `ostree: ${redactUrl(response.url)} ended after ${length} of ${stated} bytes`,
    {
      retryable: true,
    },
  )
}
