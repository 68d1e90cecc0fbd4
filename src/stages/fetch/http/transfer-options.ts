/** Of transfers from registries and ostree servers alike; apart, as what makes requests is loaded only when some are made. */
import { retryPolicy, type RetryPolicy } from '../../../flow/retry.js'

export interface TransferOptions {
  /** Milliseconds without a byte after which a transfer counts as broken; default 60,000. */
  readonly stallTimeoutMs?: number | undefined
  /** Milliseconds; default 30,000. */
  readonly connectTimeoutMs?: number | undefined
  readonly retry?: Partial<RetryPolicy> | undefined
  /** Default `sluice`. */
  readonly userAgent?: string | undefined
}

/** The same, with what was left to the defaults. */
export interface TransferSettings {
  readonly stallTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly retry: RetryPolicy
  readonly userAgent: string
}

export function transferSettings({
  stallTimeoutMs = 60_000,
  connectTimeoutMs = 30_000,
  retry,
  userAgent = 'sluice',
}: TransferOptions): TransferSettings {
  return { stallTimeoutMs, connectTimeoutMs, retry: retryPolicy(retry), userAgent }
}
