/** What the stages of a run did: counted at their output, timed, and on demand told span by span. */

export interface StageMetrics {
  /** Bytes that left the stage. */
  readonly bytes: number
  /** Pieces that left the stage. */
  readonly items: number
  /** Milliseconds in the stage itself; of several threads or layers at a time, the sum. */
  readonly busyMs: number
  /** Milliseconds in which the stage waited for the one before it. */
  readonly starvedMs: number
  /** Milliseconds in which the stage waited for memory, or for the one after it. */
  readonly blockedMs: number
}

/** A stretch of time in a run, in milliseconds since `performance.timeOrigin` of the main thread. */
export interface Span {
  /** What it is drawn on: a layer or a thread. Spans of one track lie beside or inside each other. */
  readonly track: string
  readonly name: string
  readonly startMs: number
  readonly endMs: number
}

export type OnSpan = (span: Span) => void

export class StageMeter implements StageMetrics {
  bytes = 0
  items = 0
  busyMs = 0
  starvedMs = 0
  blockedMs = 0
  readonly #tell: (name: string, startMs: number, endMs: number) => void

  /** @param name of the stage in spans. */
  constructor(name: string, track = '', onSpan?: OnSpan) {
    this.#tell =
      onSpan === undefined
        ? () => undefined
        : (what, startMs, endMs) => onSpan({ track, name: `${name}${what}`, startMs, endMs })
  }

  /** Times synchronous work of the stage. */
  work<Result>(work: () => Result): Result {
    const start = performance.now()
    try {
      return work()
    } finally {
      this.addWork(start, performance.now())
    }
  }

  addWork(startMs: number, endMs: number): void {
    this.busyMs += endMs - startMs
    this.#tell('', startMs, endMs)
  }

  /** Times a wait for memory or for the next stage. */
  async blocked<Result>(wait: Promise<Result>): Promise<Result> {
    const start = performance.now()
    try {
      return await wait
    } finally {
      const end = performance.now()
      this.blockedMs += end - start
      if (end - start > SHORTEST_WAIT_MS) this.#tell(' blocked', start, end)
    }
  }

  /** One piece of `bytes` that left the stage. */
  count(bytes: number, items = 1): void {
    this.bytes += bytes
    this.items += items
  }

  /** Passes `source` on, and counts and times it. `upstream` is the meter of the stage before, if that is metered. */
  async *through(source: AsyncIterable<Uint8Array>, upstream?: StageMeter): AsyncGenerator<Uint8Array> {
    const iterator = source[Symbol.asyncIterator]()
    try {
      for (;;) {
        const start = performance.now()
        const blockedBefore = this.blockedMs
        const upstreamBefore = upstream?.elapsedMs ?? 0
        const { done, value } = await iterator.next()
        const end = performance.now()
        const starved = (upstream?.elapsedMs ?? 0) - upstreamBefore
        this.starvedMs += starved
        this.busyMs += end - start - starved - (this.blockedMs - blockedBefore)
        this.#tell('', start, end)
        if (done === true) return
        this.count(value.length)
        yield value
      }
    } finally {
      await iterator.return?.()
    }
  }

  /** Adds what another meter of the same stage counted, of another unit of the run. */
  add(other: StageMetrics): void {
    this.bytes += other.bytes
    this.items += other.items
    this.busyMs += other.busyMs
    this.starvedMs += other.starvedMs
    this.blockedMs += other.blockedMs
  }

  /** All time that passed in the stage and those before it. */
  get elapsedMs(): number {
    return this.busyMs + this.starvedMs + this.blockedMs
  }
}

/** Waits that are over at once are not drawn. */
const SHORTEST_WAIT_MS = 0.1
