/** Spans in the Trace Event Format, which Chrome's tracing page and Perfetto draw. */
import type { Span } from './meter.js'

/** Events for one span after the other; the text of all of them, put between `[` and `]`, is the file. */
export class ChromeTrace {
  /** Number of each track, in the order of their first spans. */
  readonly #tracks = new Map<string, number>()

  /** One event or two, each with a line of its own and a comma before it, but for the first of all. */
  encode({ track, name, startMs, endMs }: Span): string {
    const known = this.#tracks.get(track)
    const tid = known ?? this.#tracks.size
    const span = { name, ph: 'X', pid: 0, tid, ts: microseconds(startMs), dur: microseconds(endMs - startMs) }
    if (known !== undefined) return line(span)
    const first = tid === 0
    this.#tracks.set(track, tid)
    const label = { name: 'thread_name', ph: 'M', pid: 0, tid, args: { name: track } }
    return `${first ? JSON.stringify(label) : line(label)}${line(span)}`
  }
}

const line = (event: object): string => `,\n${JSON.stringify(event)}`

/** Whole tenths are fine enough, and make a smaller file. */
const microseconds = (ms: number): number => Math.round(ms * 10_000) / 10
