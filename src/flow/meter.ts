/** What a stage did: counted at its output, one meter a stage and unit, added up for the run. */

export interface StageMetrics {
  /** Bytes that left the stage. */
  readonly bytes: number
  /** Pieces that left the stage. */
  readonly items: number
  /** Milliseconds in the stage itself. */
  readonly busyMs: number
  /** Milliseconds in which the stage waited for the one before it. */
  readonly starvedMs: number
}

export class StageMeter implements StageMetrics {
  bytes = 0
  items = 0
  busyMs = 0
  starvedMs = 0

  /** Adds what another meter of the same stage counted, of another unit of the run. */
  add(other: StageMetrics): void {
    this.bytes += other.bytes
    this.items += other.items
    this.busyMs += other.busyMs
    this.starvedMs += other.starvedMs
  }
}

/**
 * Passes `source` on and counts it.
 *
 * Time until `source` gives its next piece is the stage's own, less what the stage before (`upstream`, metered too) took
 * of it.
 */
export async function* metered(
  source: AsyncIterable<Uint8Array>,
  meter: StageMeter,
  upstream?: StageMeter,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const before = performance.now()
      const upstreamBefore = upstream === undefined ? 0 : upstream.busyMs + upstream.starvedMs
      const { done, value } = await iterator.next()
      const waited = upstream === undefined ? 0 : upstream.busyMs + upstream.starvedMs - upstreamBefore
      meter.busyMs += performance.now() - before - waited
      meter.starvedMs += waited
      if (done === true) return
      meter.items++
      meter.bytes += value.length
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}
