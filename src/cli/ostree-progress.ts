/** Shows a pull of an ostree commit on standard error: a bar on a terminal, a line now and then without one, NDJSON with `--json`. */
import type { Observable } from 'rxjs'
import type { OstreePullEvent, OstreePullResult } from '../index.js'
import { onTerminal } from './on-terminal.js'
import { formatSize } from './output.js'
import { jsonRenderer, LINE_INTERVAL_MS, warnOnly, type ProgressStyle } from './progress.js'
import { showEvents, type Renderer } from './show-events.js'

type OstreeRenderer = Renderer<OstreePullEvent>

const renderers: Record<ProgressStyle, () => Promise<OstreeRenderer> | OstreeRenderer> = {
  bars: barRenderer,
  lines: lineRenderer,
  json: jsonRenderer,
  quiet: () => warnOnly,
}

/** Runs a pull, showing it, and gives its result. */
export async function showOstreePull(
  pull: Observable<OstreePullEvent>,
  style: ProgressStyle,
): Promise<OstreePullResult> {
  return showEvents(pull, await renderers[style]())
}

async function barRenderer(): Promise<OstreeRenderer> {
  const { Presets, SingleBar } = await import('cli-progress')
  const bar = new SingleBar(
    {
      format: '{what} [{bar}] {value}/{total} {size}',
      clearOnComplete: false,
      hideCursor: true,
      stream: process.stderr,
    },
    Presets.rect,
  )
  /** A single bar leaves no room above it. */
  const warnings: OstreePullEvent[] = []
  bar.start(1, 0, { what: 'directories', size: '' })
  return onTerminal({
    show: (event) => {
      if (event.type === 'metadata') {
        bar.setTotal(event.fetched)
        bar.update(event.fetched)
      } else if (event.type === 'files') {
        bar.setTotal(event.total)
        bar.update(event.fetched, { what: 'files', size: formatSize(event.bytes) })
      } else if (event.type === 'warning') warnings.push(event)
    },
    end: () => {
      bar.stop()
      for (const warning of warnings) warnOnly.show(warning)
    },
  })
}

/** One line an interval with what has come so far; nothing for a pull shorter than that. */
function lineRenderer(): OstreeRenderer {
  let state = 'looking for the commit'
  const timer = setInterval(() => process.stderr.write(`${state}\n`), LINE_INTERVAL_MS)
  return {
    show: (event) => {
      if (event.type === 'metadata') state = `${event.fetched} directories and their metadata`
      else if (event.type === 'files') state = `${event.fetched} of ${event.total} files, ${formatSize(event.bytes)}`
      warnOnly.show(event)
    },
    end: () => clearInterval(timer),
  }
}
