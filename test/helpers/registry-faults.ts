/** What a test registry does wrong on request. */

/** One misbehaviour; the first rule that fits a request and is not used up applies. */
export interface Fault {
  /** Requests whose path and query it fits. */
  readonly path: RegExp
  /** How many requests it applies to; default 1. */
  readonly times?: number
  /** Requests of this kind only, for instance those with a Range header. */
  readonly when?: 'ranged' | 'unranged'

  /** Answer with this status, `headers` and `body`, instead of what was asked for. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Redirect to this origin, path and query kept; or to this whole URL. */
  readonly redirect?: string

  /** Close the connection without an answer. */
  readonly disconnect?: true
  /** Close the connection after this many bytes of the body. */
  readonly cutAfter?: number
  /** Send nothing more after this many bytes, but keep the connection open. */
  readonly stallAfter?: number
  /** Flip a bit of the byte at this place of the blob. */
  readonly corruptAt?: number
  /** Bytes to send after the body; the answer then has no Content-Length. */
  readonly append?: Uint8Array
  /** Answer a range request with the whole blob and 200. */
  readonly ignoreRange?: boolean
  /** Use this Content-Range; null for none. */
  readonly contentRange?: string | null
  /** Use this ETag; null for none. */
  readonly etag?: string | null
}

export interface FaultRule {
  readonly fault: Fault
  left: number
}

/** Takes one use of the first rule that fits. */
export function takeFault(rules: readonly FaultRule[], url: string, ranged: boolean): Fault | undefined {
  const rule = rules.find(({ fault, left }) => {
    const fits = fault.when === undefined || (fault.when === 'ranged') === ranged
    return left > 0 && fits && fault.path.test(url)
  })
  if (rule === undefined) return undefined
  rule.left--
  return rule.fault
}

/** The bytes as the fault has them; `position` is that of the first one in the blob. Ends early for a cut or a stall. */
export async function* faultyBytes(
  bytes: AsyncIterable<Uint8Array>,
  position: number,
  fault: Fault | undefined,
): AsyncGenerator<Uint8Array> {
  const limit = Math.min(fault?.cutAfter ?? Infinity, fault?.stallAfter ?? Infinity)
  let sent = 0
  for await (const chunk of bytes) {
    const piece = Buffer.from(chunk.subarray(0, Math.min(chunk.length, limit - sent)))
    const damaged = (fault?.corruptAt ?? -1) - position - sent
    if (damaged >= 0 && damaged < piece.length) piece[damaged] ^= 1
    if (piece.length > 0) yield piece
    sent += piece.length
    if (sent >= limit) return
  }
  if (fault?.append !== undefined) yield fault.append
}
