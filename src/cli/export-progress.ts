/** Shows an export on standard error: a bar on a terminal, nothing without one. */
import type { Observable } from 'rxjs'
import type { OstreeExportEvent, OstreeExportResult } from '../index.js'
import { onTerminal } from './on-terminal.js'
import { showEvents, silent, type Renderer } from './show-events.js'

/** Runs an export, showing it, and gives its result. */
export async function showExport(events: Observable<OstreeExportEvent>, bar: boolean): Promise<OstreeExportResult> {
  return showEvents(events, bar ? await barRenderer() : silent)
}

async function barRenderer(): Promise<Renderer<OstreeExportEvent>> {
  const { Presets, SingleBar } = await import('cli-progress')
  const bar = new SingleBar(
    { format: 'files [{bar}] {value}/{total}', clearOnComplete: true, hideCursor: true, stream: process.stderr },
    Presets.rect,
  )
  return onTerminal({
    show: (event) => {
      if (event.type !== 'files') return
      if (event.written === 0) bar.start(event.total, 0)
      else bar.update(event.written)
    },
    end: () => bar.stop(),
  })
}
