/** HTTP answers and connection failures as errors of Sluice. */
import { cancelled, errnoOf, ioError, SluiceError, type SluiceErrorOptions } from '../../../errors.js'
import { redactText, redactUrl } from '../../../formats/redact.js'
import { RETRY_AFTER_DETAIL } from '../../../flow/retry.js'

/** The head of an answer. */
interface Answer {
  readonly status: number
  readonly url: URL
  /** Whether a redirect led to another host. */
  readonly elsewhere: boolean
  header(name: string): string | undefined
}

export interface StatusWords {
  /** What the body of the answer tells, to stand behind its status. */
  readonly explanation?: string
  /** What to do where one may not have it. */
  readonly loginHint: string
}

/** The error for an answer that is not the wanted one. */
export function statusError(answer: Answer, where: string, { explanation = '', loginHint }: StatusWords): SluiceError {
  const { status, url, elsewhere } = answer
  const message = `${where}: ${redactUrl(url)} answered ${status}${explanation}`
  const options = (more: SluiceErrorOptions): SluiceErrorOptions => ({ ...more, details: { status, ...more.details } })
  const retryAfter = parseRetryAfter(answer.header('retry-after'), Date.now())
  const details: Record<string, number> = retryAfter === undefined ? {} : { [RETRY_AFTER_DETAIL]: retryAfter }
  if (status === 401 || status === 403) {
    // A blob store refuses addresses that have expired; who gave the address gives a new one.
    if (elsewhere) return new SluiceError('SLUICE_HTTP', message, options({ retryable: true }))
    return new SluiceError('SLUICE_AUTH', message, options({ hint: loginHint }))
  }
  if (status === 404 || status === 410) return new SluiceError('SLUICE_NOT_FOUND', message, options({}))
  if (status === 429) {
    return new SluiceError(
      'SLUICE_RATE_LIMIT',
      message,
      options({ retryable: true, details, hint: 'wait, log in for a higher limit, or use a mirror' }),
    )
  }
  const retryable = status === 408 || status >= 500
  return new SluiceError('SLUICE_HTTP', message, options({ retryable, details }))
}

/** The form of dates in HTTP; what else JavaScript takes for a date, such as 5.5, is none. */
const HTTP_DATE = /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** Retry-After in milliseconds: seconds or a date; undefined if absent or neither. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000
  const date = HTTP_DATE.test(value.trim()) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

const certificateProblems = /^(?:CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA)/
const reasons: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the transfer stalled',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of its answer are too long',
}

/**
 * No such host; a request that cannot be sent, such as one with a line break in a header; an answer that cannot be read, and is
 * the same each time; and the source was closed.
 */
const permanent = new Set([
  'ENOTFOUND',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  'ABORT_ERR',
])

/** The error for a request that got no answer or lost its connection. */
export function connectionError(cause: unknown, url: URL, where: string, signal: AbortSignal): SluiceError {
  if (signal.aborted) return cancelled(signal)
  if (cause instanceof SluiceError) return cause
  const code = errnoOf(cause) ?? ''
  if (code === 'EMFILE' || code === 'ENFILE') return ioError(cause, `${where}: cannot connect to ${redactUrl(url)}`)
  const message = `${where}: ${redactUrl(url)}: ${reasons[code] ?? reasonOf(cause, code)}`
  if (certificateProblems.test(code)) {
    return new SluiceError('SLUICE_NETWORK', message, {
      cause,
      hint: `the certificate is not trusted: add its authority to certs.d/${url.host}/, or use --no-tls-verify`,
    })
  }
  if (cause instanceof Error && cause.message.includes('Proxy response (407)')) {
    return new SluiceError(
      'SLUICE_NETWORK',
      `${where}: ${redactUrl(url)}: the proxy wants a user name and a password`,
      {
        cause,
        hint: 'write them into the URL of the proxy: http://USER:PASSWORD@HOST:PORT',
      },
    )
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    return new SluiceError('SLUICE_NETWORK', message, {
      cause,
      hint: 'the server may speak plain http: a registry needs --no-tls-verify or "insecure = true" in registries.conf, others a URL with http:',
    })
  }
  return new SluiceError('SLUICE_NETWORK', message, {
    cause,
    retryable: !permanent.has(code),
    details: { errno: code },
  })
}

/** Of a host with several addresses Node says what each answered. OpenSSL's messages are of several lines and begin with numbers; it also gives a reason in words. */
function reasonOf(cause: unknown, code: string): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError) return cause.errors.map((error) => reasonOf(error, code)).join(', ')
  const { reason } = cause as { reason?: unknown }
  const text = typeof reason === 'string' && reason !== '' ? reason : cause.message.split('\n')[0]
  return redactText(text) || code
}
