/** Shows a collection on standard error: a bar on a terminal, nothing without one. */
import type { Observable } from 'rxjs'
import type { GcEvent, GcResult } from '../index.js'
import { onTerminal } from './on-terminal.js'
import { showEvents, silent, type Renderer } from './show-events.js'

/** Objects removed between two changes of the bar. */
const STEP = 1000

/** Runs a collection, showing it, and gives its result. */
export async function showGc(events: Observable<GcEvent>, bar: boolean): Promise<GcResult> {
  return showEvents(events, bar ? await barRenderer() : silent)
}

async function barRenderer(): Promise<Renderer<GcEvent>> {
  const { Presets, SingleBar } = await import('cli-progress')
  const bar = new SingleBar(
    {
      format: 'removing objects [{bar}] {percentage}% {value}/{total}',
      clearOnComplete: true,
      hideCursor: true,
      stream: process.stderr,
    },
    Presets.rect,
  )
  return onTerminal({
    show: (event) => {
      if (event.type === 'planned' && event.plan.objects.length > 0) bar.start(event.plan.objects.length, 0)
      else if (event.type === 'progress' && event.removed % STEP === 0) bar.update(event.removed)
    },
    end: () => bar.stop(),
  })
}
