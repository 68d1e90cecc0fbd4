/** Requests to a repository that has mirrors (ostree.md §3.8). */
import { SluiceError, withContext, type ErrorCode } from '../../errors.js'
import { redactUrl } from '../../formats/redact.js'
import type { RetryPolicy } from '../../flow/retry.js'
import type { HttpClient } from '../fetch/http/client.js'
import { MAX_CONFIG } from '../../formats/ostree/limits.js'
import { MAX_MIRROR_LIST, readMirrorList } from './mirror-list.js'
import { RemoteClient, type RemoteClientOptions } from './remote-client.js'
import { parseRemoteBase, tryRemoteFile } from './remote-urls.js'

const MIRROR_LIST = 'mirrorlist='

/**
 * @param address the URL of a repository, or `mirrorlist=URL` of a list of such.
 * @throws SluiceError `SLUICE_USAGE` for what is no http or https URL.
 */
export function openRemoteClient(address: string, http: HttpClient, retry: RetryPolicy): RemoteClient {
  if (!address.startsWith(MIRROR_LIST)) return new RemoteClient({ base: parseRemoteBase(address), http, retry })
  const url = address.slice(MIRROR_LIST.length)
  const base = tryRemoteFile(url)
  if (base !== undefined) return new MirroredClient({ base, http, retry })
  throw new SluiceError('SLUICE_USAGE', `not the URL of a list of mirrors: ${redactUrl(url)}`, {
    hint: 'give an http or https URL',
  })
}

/** What another mirror may do better: 403 means "not found" as well (§3.8). */
const unanswered: readonly ErrorCode[] = ['SLUICE_NETWORK', 'SLUICE_HTTP', 'SLUICE_RATE_LIMIT']
const refusals: readonly ErrorCode[] = ['SLUICE_NOT_FOUND', 'SLUICE_AUTH']

class MirroredClient extends RemoteClient {
  readonly #options: RemoteClientOptions
  #opened: Promise<void> | undefined
  /** The one that leads, and those after it in the list. */
  #mirrors: readonly RemoteClient[] = []
  /** Those that did not answer a request, for all its retries. */
  readonly #failed = new Set<RemoteClient>()

  /** @param options whose base is the list. */
  constructor(options: RemoteClientOptions) {
    super(options)
    this.#options = options
  }

  override get base() {
    return this.#mirrors.at(0)?.base ?? super.base
  }

  /** @throws SluiceError if the list cannot be fetched, or no mirror in it. */
  override async open(signal: AbortSignal): Promise<void> {
    this.#opened ??= this.#load(signal)
    return this.#opened
  }

  /**
   * Runs one request at one mirror after the other until it succeeds.
   *
   * @throws SluiceError that of the last mirror; but if one said that there is no such thing, what that said.
   */
  override async retrying<Result>(
    signal: AbortSignal,
    work: (client: RemoteClient) => Promise<Result>,
  ): Promise<Result> {
    await this.open(signal)
    let failure: SluiceError | undefined
    for (const mirror of this.#inOrder()) {
      try {
        // To wait for one that fails is for what no other may have.
        if (failure?.code === 'SLUICE_NOT_FOUND' && this.#failed.has(mirror)) return await work(mirror)
        return await mirror.retrying(signal, work)
      } catch (error) {
        if (signal.aborted || !(error instanceof SluiceError)) throw error
        if (unanswered.includes(error.code)) this.#failed.add(mirror)
        else if (!refusals.includes(error.code)) throw error
        if (failure?.code !== 'SLUICE_NOT_FOUND' || error.code === 'SLUICE_NOT_FOUND') failure = error
      }
    }
    throw failure!
  }

  /** One that failed would have every object wait for its retries. */
  #inOrder(): RemoteClient[] {
    const failed = (mirror: RemoteClient): boolean => this.#failed.has(mirror)
    return [...this.#mirrors.filter((mirror) => !failed(mirror)), ...this.#mirrors.filter(failed)]
  }

  async #load(signal: AbortSignal): Promise<void> {
    const name = `the list of mirrors ${this.description}`
    const list = await new RemoteClient(this.#options).document([], MAX_MIRROR_LIST, signal).catch((error: unknown) => {
      throw signal.aborted ? error : withContext(error, name)
    })
    const mirrors = readMirrorList(list.toString()).map((base) => new RemoteClient({ ...this.#options, base }))
    if (mirrors.length === 0) {
      throw new SluiceError('SLUICE_NOT_FOUND', `${name} has no http or https URL in it`, {
        hint: 'it must be a text file with the URL of a mirror on each line',
      })
    }
    try {
      const leading = await super.retrying(signal, () => this.#findLeading(mirrors, signal))
      this.#mirrors = mirrors.slice(leading)
    } catch (error) {
      throw signal.aborted ? error : withContext(error, `no mirror can be used of ${name}`)
    }
  }

  /** Asks each mirror once for its configuration: where others are, nobody waits for one. */
  async #findLeading(mirrors: readonly RemoteClient[], signal: AbortSignal): Promise<number> {
    const retry = { ...this.#options.retry, tries: 1 }
    let failure: SluiceError | undefined
    for (const [at, { base }] of mirrors.entries()) {
      try {
        await new RemoteClient({ ...this.#options, base, retry }).document(['config'], MAX_CONFIG, signal)
        return at
      } catch (error) {
        if (signal.aborted || !(error instanceof SluiceError)) throw error
        // If one may recover, all are asked again.
        if (error.retryable || failure?.retryable !== true) failure = error
      }
    }
    throw failure!
  }
}
