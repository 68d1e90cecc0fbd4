/** Shows a pull on standard error: bars on a terminal, a line now and then without one, events as NDJSON with `--json`. */
import type { Observable } from 'rxjs'
import type { PullEvent, PullResult } from '../index.js'
import { onTerminal } from './on-terminal.js'
import { formatSize } from './output.js'
import { printable } from './printable.js'
import { showEvents, type Renderer } from './show-events.js'

export type ProgressStyle = 'bars' | 'lines' | 'json' | 'quiet'

/** Without a terminal: how often a line is written. */
export const LINE_INTERVAL_MS = 30_000
/** Version of the NDJSON events. */
const EVENT_VERSION = 1

type PullRenderer = Renderer<PullEvent>

/** Picks the style that suits standard error. */
export function progressStyle(options: { quiet: boolean; json: boolean }): ProgressStyle {
  if (options.json) return 'json'
  if (options.quiet) return 'quiet'
  const { env } = process
  const plain = env['TERM'] === 'dumb' || (env['CI'] ?? '') !== ''
  return process.stderr.isTTY && !plain ? 'bars' : 'lines'
}

/** Runs a pull, showing it, and gives its result. */
export async function showPull(pull: Observable<PullEvent>, style: ProgressStyle): Promise<PullResult> {
  return showEvents(pull, await renderers[style]())
}

const renderers: Record<ProgressStyle, () => Promise<PullRenderer> | PullRenderer> = {
  bars: barRenderer,
  lines: lineRenderer,
  json: jsonRenderer,
  quiet: () => warnOnly,
}

const warning = (text: string) => `warning: ${printable(text)}\n`

/** Shows warnings and nothing else. */
export const warnOnly: Renderer<{ readonly type: string; readonly text?: string }> = {
  show: ({ type, text }) => {
    if (type === 'warning') process.stderr.write(warning(text ?? ''))
  },
  end: () => undefined,
}

const shortId = (id: string) => id.slice(id.indexOf(':') + 1).slice(0, 12)

async function barRenderer(): Promise<PullRenderer> {
  const { MultiBar, Presets } = await import('cli-progress')
  const bars = new MultiBar(
    {
      format: '{layer} [{bar}] {percentage}% {done}/{size} {state}',
      clearOnComplete: false,
      hideCursor: true,
      stream: process.stderr,
    },
    Presets.rect,
  )
  const open = new Map<string, ReturnType<typeof bars.create>>()
  return onTerminal({
    show: (event) => {
      if (event.type === 'started') {
        const size = formatSize(event.total)
        // A layer that has to be fetched anew starts twice.
        open.get(event.id)?.stop()
        open.set(event.id, bars.create(event.total, 0, { layer: shortId(event.id), done: '0 B', size, state: '' }))
      } else if (event.type === 'progress') {
        open.get(event.id)?.update(event.fetched, { done: formatSize(event.fetched) })
      } else if (event.type === 'done') {
        const bar = open.get(event.id)
        bar?.update(bar.getTotal(), { done: formatSize(bar.getTotal()), state: 'stored' })
      } else if (event.type === 'skipped') {
        bars.log(`${shortId(event.id)} already present\n`)
      } else if (event.type === 'warning') bars.log(warning(event.text))
    },
    end: () => bars.stop(),
  })
}

/** One line an interval with what is done, the rate and the time left; nothing for a pull shorter than that. */
function lineRenderer(): PullRenderer {
  const fetched = new Map<string, number>()
  const totals = new Map<string, number>()
  const started = performance.now()
  const sum = (values: Map<string, number>) => [...values.values()].reduce((a, b) => a + b, 0)
  const timer = setInterval(() => {
    const done = sum(fetched)
    const total = sum(totals)
    const rate = done / ((performance.now() - started) / 1000)
    const left = rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : ''
    process.stderr.write(`${formatSize(done)} of ${formatSize(total)}, ${formatSize(rate)}/s${left}\n`)
  }, LINE_INTERVAL_MS)
  return {
    show: (event) => {
      if (event.type === 'started') totals.set(event.id, event.total)
      if (event.type === 'progress') fetched.set(event.id, event.fetched)
      warnOnly.show(event)
    },
    end: () => clearInterval(timer),
  }
}

/** Maps become objects, so that an event is plain JSON. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value
}

export function jsonRenderer(): Renderer<unknown> {
  return {
    show: (event) => process.stdout.write(`${JSON.stringify({ v: EVENT_VERSION, ...(event as object) }, plain)}\n`),
    end: () => undefined,
  }
}
