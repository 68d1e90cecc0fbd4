/** The body of a blob, over as many transfers as it takes (practice.md trap 1). */
import { SluiceError, withContext } from '../../../errors.js'
import { RetryBudget, type RetryPolicy } from '../../../flow/retry.js'
import type { Digest } from '../../../formats/digest.js'
import type { Descriptor } from '../../../formats/oci/descriptor.js'
import { redactUrl } from '../../../formats/oci/redact.js'
import { sizeMismatch } from '../verify-blob.js'
import type { HttpResponse } from './http-client.js'

export interface ResumeOptions {
  /** Sends one request for the blob with these headers. */
  readonly request: (headers: Readonly<Record<string, string>>) => Promise<HttpResponse>
  readonly retry: RetryPolicy
  readonly where: string
  readonly signal: AbortSignal
  /** The strong entity tag under which the bytes before `offset` came from this server. */
  readonly etag: string | undefined
  /** Called with the strong entity tag of an answer, before its first byte is given. */
  readonly onEtag: (etag: string) => void
}

/**
 * The bytes of a blob from `offset` to its end. A transfer that breaks goes on with a range request; where the server
 * has no ranges, it starts again and what is known already is passed over. Nothing is verified but sizes.
 */
export async function* resumeBlob(
  descriptor: Pick<Descriptor, 'digest' | 'size'>,
  offset: number,
  { request, retry, where, signal, etag, onEtag }: ResumeOptions,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor
  const budget = new RetryBudget(retry)
  let received = offset
  let validator = etag
  let useRanges = true
  while (received < size) {
    const ranged = useRanges && received > 0
    try {
      const response = await request(ranged ? rangeHeaders(received, validator) : {})
      const start = await bodyStart(response, received, ranged, descriptor, where)
      if (start === undefined) {
        response.discard()
        useRanges = false
        continue
      }
      validator = strongValidator(response.header('etag')) ?? validator
      if (validator !== undefined) onEtag(validator)
      let known = received - start
      for await (const chunk of response.body()) {
        const fresh = chunk.subarray(Math.min(known, chunk.length))
        known -= chunk.length - fresh.length
        if (fresh.length === 0) continue
        received += fresh.length
        budget.reset()
        yield fresh
      }
      if (received < size) throw brokenOff(response, received, size, `${where}: blob ${digest}`)
    } catch (error) {
      if (received >= size && !signal.aborted) return
      await budget.spend(tellDigest(error, digest), signal)
    }
  }
}

function rangeHeaders(received: number, validator: string | undefined): Record<string, string> {
  return { range: `bytes=${received}-`, ...(validator === undefined ? {} : { 'if-range': validator }) }
}

/** A weak validator does not promise equal bytes, and is not allowed in If-Range. */
function strongValidator(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') === true ? etag : undefined
}

/** The position in the blob of the first byte of the body; undefined if the server cannot be trusted with ranges. */
async function bodyStart(
  response: HttpResponse,
  received: number,
  ranged: boolean,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  where: string,
): Promise<number | undefined> {
  const { status } = response
  const checkTotal = (total: string | undefined): void => {
    if (total === undefined || Number(total) === size) return
    response.discard()
    throw sizeMismatch(where, digest, size, total)
  }
  if (status === 200) {
    checkTotal(response.header('content-length'))
    return 0
  }
  if (ranged && (status === 206 || status === 416)) {
    const pattern = status === 206 ? /^bytes (\d+)-\d+\/(?:(\d+)|\*)$/ : /^bytes \*()\/(\d+)$/
    const [, start, total] = pattern.exec(response.header('content-range') ?? '') ?? []
    checkTotal(total)
    return status === 206 && start !== undefined && Number(start) === received ? received : undefined
  }
  throw await response.toError()
}

/** The address may be that of a blob store, which does not tell whose blob it is. */
function tellDigest(error: unknown, digest: Digest): unknown {
  if (!(error instanceof SluiceError) || error.code === 'SLUICE_CANCELLED' || error.message.includes(digest))
    return error
  return withContext(error, `blob ${digest}`)
}

function brokenOff(response: HttpResponse, received: number, size: number, where: string): SluiceError {
  return new SluiceError(
    'SLUICE_NETWORK',
    `${where}: ${redactUrl(response.url)} ended after ${received} of ${size} bytes`,
    { retryable: true, details: { received } },
  )
}
