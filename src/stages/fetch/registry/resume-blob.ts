/** The body of a blob, over as many transfers as it takes (practice.md trap 1). */
import { SluiceError, withContext } from '../../../errors.js'
import { RetryBudget, type RetryPolicy } from '../../../flow/retry.js'
import type { Digest } from '../../../formats/digest.js'
import type { Descriptor } from '../../../formats/oci/descriptor.js'
import { redactUrl } from '../../../formats/redact.js'
import { sizeMismatch } from '../verify-blob.js'
import type { OutputMemory } from '../../decompress/output-memory.js'
import { Gatherer } from './gatherer.js'
import type { AcceptBody, HttpAnswer } from '../http/client.js'
import { registryError, type RegistryAnswer } from './registry-error.js'
import type { BodySink } from '../http/receive.js'

export interface ResumeOptions {
  /** Sends one request for the blob with these headers; see `RegistryClient.receive`. */
  readonly request: (
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    accept: AcceptBody,
  ) => Promise<RegistryAnswer>
  readonly retry: RetryPolicy
  readonly where: string
  readonly signal: AbortSignal
  /** The strong entity tag under which the bytes before `offset` came from this server. */
  readonly etag: string | undefined
  /** Called with the strong entity tag of an answer, before its first byte is given. */
  readonly onEtag: (etag: string) => void
  /** Takes each piece as it arrives: see `BodySink`. */
  readonly onPiece: (piece: Uint8Array) => Promise<void> | undefined
  /** Where chunks are put. */
  readonly memory: OutputMemory
}

/** Of a blob, what is asked for. */
type WantedBlob = Pick<Descriptor, 'digest' | 'size'>

/**
 * The bytes of a blob from `offset` to its end, in chunks that fill `memory`. A transfer that breaks goes on with a range
 * request; where the server has no ranges, it starts again and what is known already is passed over. Nothing is verified but
 * sizes.
 */
export async function* resumeBlob(
  descriptor: WantedBlob,
  offset: number,
  options: ResumeOptions,
): AsyncGenerator<Uint8Array> {
  const { retry, signal } = options
  const budget = new RetryBudget(retry)
  const onPiece: ResumeOptions['onPiece'] = (piece) => {
    budget.reset()
    return options.onPiece(piece)
  }
  const blob = new BlobTransfers(descriptor, offset, { ...options, onPiece })
  while (!blob.isComplete) {
    try {
      yield* blob.transfer()
    } catch (error) {
      if (blob.isComplete && !signal.aborted) return
      await budget.spend(tellDigest(error, descriptor.digest), signal)
    }
  }
}

/** One transfer after the other, each from where the last one broke off. */
class BlobTransfers {
  readonly #descriptor: WantedBlob
  readonly #options: ResumeOptions
  #received: number
  #validator: string | undefined
  #useRanges = true

  constructor(descriptor: WantedBlob, offset: number, options: ResumeOptions) {
    this.#descriptor = descriptor
    this.#options = options
    this.#received = offset
    this.#validator = options.etag
  }

  /** Whether as many bytes came as there should be. */
  get isComplete(): boolean {
    return this.#received >= this.#descriptor.size
  }

  /** What one transfer gives; if it fails, what came before it did. */
  async *transfer(): AsyncGenerator<Uint8Array> {
    const { signal, memory } = this.#options
    const gatherer = new Gatherer()
    const ended = new AbortController()
    const transferred = this.#receive(gatherer, AbortSignal.any([signal, ended.signal])).then(
      () => gatherer.end(),
      (error: unknown) => gatherer.end(error),
    )
    try {
      yield* gatherer.chunks(memory)
    } finally {
      ended.abort()
      await transferred
    }
  }

  /** Sends one request; what is new of its body goes to `gatherer`. */
  async #receive(gatherer: Gatherer, signal: AbortSignal): Promise<void> {
    const { request, where, onEtag, onPiece } = this.#options
    const { digest, size } = this.#descriptor
    const from = this.#received
    const ranged = this.#useRanges && from > 0
    let start: BodyStart = 'refused'
    /** Bytes that come once more. */
    let known = 0
    const take: BodySink = (piece) => {
      const fresh = piece.subarray(Math.min(known, piece.length))
      known -= piece.length - fresh.length
      if (fresh.length === 0) return undefined
      this.#received += fresh.length
      return both(onPiece(fresh), gatherer.write(fresh))
    }
    const answer = await request(ranged ? rangeHeaders(from, this.#validator) : {}, signal, (answer) => {
      start = bodyStart(answer, from, ranged, this.#descriptor, where)
      if (typeof start === 'string') return undefined
      this.#validator = strongValidator(answer.header('etag')) ?? this.#validator
      if (this.#validator !== undefined) onEtag(this.#validator)
      known = from - start
      return take
    })
    if (start === 'refused') throw registryError(answer, where)
    if (start === 'no-ranges') this.#useRanges = false
    else if (!this.isComplete) throw brokenOff(answer, this.#received, size, `${where}: blob ${digest}`)
  }
}

/** Waits for both, if they take time. */
function both(first: Promise<void> | undefined, second: Promise<void> | undefined): Promise<void> | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return Promise.all([first, second]).then(() => undefined)
}

function rangeHeaders(received: number, validator: string | undefined): Record<string, string> {
  return { range: `bytes=${received}-`, ...(validator === undefined ? {} : { 'if-range': validator }) }
}

/** A weak validator does not promise equal bytes, and is not allowed in If-Range. */
function strongValidator(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') === true ? etag : undefined
}

/** The position in the blob of the first byte of a body; that the server cannot be trusted with ranges; or an error. */
type BodyStart = number | 'no-ranges' | 'refused'

/** What servers and those before them also say where they cannot do with a range or its condition: 416 would be the word. */
const refusedRanges: readonly number[] = [400, 412, 416, 501]

const WEB_PAGE = 'the answer is a web page, as of a portal or a filter on the way, and not what the registry has'

function bodyStart(
  answer: HttpAnswer,
  received: number,
  ranged: boolean,
  { digest, size }: WantedBlob,
  where: string,
): BodyStart {
  const { status } = answer
  const checkTotal = (total: string | undefined): void => {
    if (total === undefined || Number(total) === size) return
    const hint = answer.mediaType === 'text/html' ? WEB_PAGE : undefined
    throw sizeMismatch(where, digest, size, total, hint)
  }
  if (status === 200) {
    // Compressed, it is refused for that, and of whatever length.
    if (answer.encodings.length === 0) checkTotal(answer.header('content-length'))
    return 0
  }
  if (!ranged || (status !== 206 && !refusedRanges.includes(status))) return 'refused'
  const pattern = status === 206 ? /^bytes (\d+)-\d+\/(?:(\d+)|\*)$/ : /^bytes \*()\/(\d+)$/
  const [, start, total] = pattern.exec(answer.header('content-range') ?? '') ?? []
  checkTotal(total)
  return status === 206 && start !== undefined && Number(start) === received ? received : 'no-ranges'
}

/** The address may be that of a blob store, which does not tell whose blob it is. */
function tellDigest(error: unknown, digest: Digest): unknown {
  if (!(error instanceof SluiceError) || error.code === 'SLUICE_CANCELLED' || error.message.includes(digest))
    return error
  return withContext(error, `blob ${digest}`)
}

function brokenOff(answer: HttpAnswer, received: number, size: number, where: string): SluiceError {
  return new SluiceError(
    'SLUICE_NETWORK',
    `${where}: ${redactUrl(answer.url)} ended after ${received} of ${size} bytes`,
    { retryable: true, details: { received } },
  )
}
