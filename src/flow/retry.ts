/** When and how long to wait before a failed network operation is tried again (oci.md §11, practice.md). */
import { setTimeout as timer } from 'node:timers/promises'
import { cancelled, SluiceError } from '../errors.js'

export interface RetryPolicy {
  /** Attempts in all without progress, 1 or more. */
  readonly tries: number
  /** Wait after the first failure, in milliseconds; doubles with each further one. */
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  /** Longest wait that a server may demand with Retry-After. */
  readonly maxRetryAfterMs: number
}

const defaults: RetryPolicy = {
  tries: 5,
  baseDelayMs: 2_000,
  maxDelayMs: 60_000,
  maxRetryAfterMs: 120_000,
}

/** With the defaults for what is not given, or undefined, as a program without strict types may have it: the tries would never end. */
export function retryPolicy({
  tries,
  baseDelayMs,
  maxDelayMs,
  maxRetryAfterMs,
}: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    tries: tries ?? defaults.tries,
    baseDelayMs: baseDelayMs ?? defaults.baseDelayMs,
    maxDelayMs: maxDelayMs ?? defaults.maxDelayMs,
    maxRetryAfterMs: maxRetryAfterMs ?? defaults.maxRetryAfterMs,
  }
}

/** Detail of an error that says how long its server asked to wait. */
export const RETRY_AFTER_DETAIL = 'retryAfterMs'

/** Counts the failures of one operation since it last made progress. */
export class RetryBudget {
  readonly #policy: RetryPolicy
  #failures = 0

  constructor(policy: RetryPolicy) {
    this.#policy = policy
  }

  /** Progress was made: bytes arrived that were not there before. */
  reset(): void {
    this.#failures = 0
  }

  /** Waits before the next attempt; throws `error` if it is not retryable or nothing is left of the budget. */
  async spend(error: unknown, signal: AbortSignal): Promise<void> {
    this.#failures++
    if (!(error instanceof SluiceError) || !error.retryable || this.#failures >= this.#policy.tries) throw error
    const demanded = error.details[RETRY_AFTER_DETAIL]
    const least = typeof demanded === 'number' ? Math.min(demanded, this.#policy.maxRetryAfterMs) : 0
    // A clock that is fast makes a date one in the past: what is demanded lengthens the pause and never takes it away.
    await sleep(Math.max(least, backoff(this.#policy, this.#failures)), signal)
  }
}

/** Runs `work` until it succeeds or the budget is spent. */
export async function retrying<Result>(
  policy: RetryPolicy,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  const budget = new RetryBudget(policy)
  for (;;) {
    try {
      return await work()
    } catch (error) {
      await budget.spend(error, signal)
    }
  }
}

/** Half of the exponential delay is random, so that many clients do not come back at one moment. */
function backoff({ baseDelayMs, maxDelayMs }: RetryPolicy, failures: number): number {
  const delay = Math.min(maxDelayMs, baseDelayMs * 2 ** (failures - 1))
  return delay / 2 + (Math.random() * delay) / 2
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await timer(ms, undefined, { signal })
  } catch {
    throw cancelled(signal)
  }
}
