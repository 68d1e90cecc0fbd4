/** Shows a pull of an ostree commit on standard error: bars on a terminal, nothing without one, NDJSON with `--json`. */
import type { Observable } from 'rxjs'
import type { OstreePullEvent, OstreePullResult } from '../index.js'
import { formatSize } from './output.js'
import { jsonRenderer, type ProgressStyle } from './progress.js'
import { showEvents, silent, type Renderer } from './show-events.js'

/** Runs a pull, showing it, and gives its result. */
export async function showOstreePull(
  pull: Observable<OstreePullEvent>,
  style: ProgressStyle,
): Promise<OstreePullResult> {
  if (style === 'json') return showEvents(pull, jsonRenderer())
  return showEvents(pull, style === 'bars' ? await barRenderer() : silent)
}

async function barRenderer(): Promise<Renderer<OstreePullEvent>> {
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
  bar.start(1, 0, { what: 'directories', size: '' })
  return {
    show: (event) => {
      if (event.type === 'metadata') {
        bar.setTotal(event.fetched)
        bar.update(event.fetched)
      } else if (event.type === 'files') {
        bar.setTotal(event.total)
        bar.update(event.fetched, { what: 'files', size: formatSize(event.bytes) })
      }
    },
    end: () => bar.stop(),
  }
}
