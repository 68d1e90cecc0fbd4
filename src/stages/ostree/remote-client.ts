/** Requests to a repository at a URL, with the retries and time limits of registries. */
import { formatError, SluiceError } from '../../errors.js'
import { redactUrl } from '../../formats/oci/redact.js'
import { retrying, type RetryPolicy } from '../../flow/retry.js'
import type { HttpAnswer, HttpClient, HttpRequest, HttpResponse } from '../fetch/registry/http-client.js'
import { statusError } from '../fetch/registry/http-errors.js'
import type { BodySink } from '../fetch/registry/receive.js'
import { remoteUrl, type RemoteBase } from './remote-urls.js'

export interface RemoteClientOptions {
  readonly base: RemoteBase
  readonly http: HttpClient
  readonly retry: RetryPolicy
}

/** Longest configuration of a repository, in bytes. */
export const MAX_CONFIG = 1024 * 1024

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

  /** The answer to one request, whatever its status. */
  async get(
    segments: readonly string[],
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HttpResponse> {
    await this.open(signal)
    return this.#http.send(this.#request(segments, signal, headers))
  }

  /**
   * One request for a document that goes to `sink` as it comes; its length.
   *
   * @throws SluiceError for any status but 200, and if the document ends early.
   */
  async receive(segments: readonly string[], signal: AbortSignal, sink: BodySink): Promise<number> {
    await this.open(signal)
    let length = 0
    const counted: BodySink = (piece) => {
      length += piece.length
      return sink(piece)
    }
    const answer = await this.#http.receive(this.#request(segments, signal), ({ status }) =>
      status === 200 ? counted : undefined,
    )
    if (answer.status !== 200) throw refused(answer)
    checkLength(answer, length)
    return length
  }

  /** A document of at most `limit` bytes, with retries. @throws SluiceError for any status but 200. */
  async document(segments: readonly string[], limit: number, signal: AbortSignal): Promise<Buffer> {
    return this.retrying(signal, async (client) => {
      const pieces: Uint8Array[] = []
      let room = limit
      const length = await client.receive(segments, signal, (piece) => {
        room -= piece.length
        if (room < 0) {
          const name = redactUrl(remoteUrl(client.base, segments))
          throw formatError('ostree', `${name} has more than ${limit} bytes`)
        }
        pieces.push(piece)
        return undefined
      })
      return Buffer.concat(pieces, length)
    })
  }

  /** As `document`, or undefined if there is none: 404 and 410. */
  async optionalDocument(segments: readonly string[], limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    // Outside, as a list of mirrors that is not there says nothing about the document.
    await this.open(signal)
    try {
      return await this.document(segments, limit, signal)
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'SLUICE_NOT_FOUND') return undefined
      throw error
    }
  }

  /** Runs one request until it succeeds, as the policy has it; `work` sends it with the client that it gets. */
  async retrying<Result>(signal: AbortSignal, work: (client: RemoteClient) => Promise<Result>): Promise<Result> {
    return retrying(this.#retry, signal, () => work(this))
  }

  #request(
    segments: readonly string[],
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Omit<HttpRequest, 'form'> {
    const { base } = this
    const { authorization } = base
    return {
      url: remoteUrl(base, segments),
      headers: { accept: '*/*', ...headers, ...(authorization !== undefined && { authorization }) },
      signal,
      where: 'ostree',
    }
  }
}

/** The error for an answer with a status that is not wanted. What is in it is for browsers. */
export function refused(response: HttpAnswer): SluiceError {
  response.drain()
  const error = statusError(response, new Uint8Array(0), 'ostree')
  if (error.code !== 'SLUICE_AUTH') return error
  return new SluiceError('SLUICE_AUTH', error.message, {
    details: error.details,
    hint: 'put user and password into the URL',
  })
}

/** A proxy may end an answer early as if it were whole. */
function checkLength(response: HttpAnswer, length: number): void {
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
