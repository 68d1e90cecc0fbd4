/** Shows how far a check is: a bar for each of its steps on a terminal, and nothing without one. */
import type { Observable } from 'rxjs'
import type { FsckEvent, FsckPhase } from '../index.js'
import { onTerminal } from './on-terminal.js'
import { progressStyle } from './progress.js'
import { showEvents, silent, type Renderer } from './show-events.js'

/** A check that is over sooner shows nothing. */
const LONG_MS = 1000

/** Runs a check, showing it, and gives its result. */
export async function showCheck<Result>(check: Observable<FsckEvent<Result>>, quiet: boolean): Promise<Result> {
  return showEvents(check, progressStyle({ quiet, json: false }) === 'bars' ? await barRenderer() : silent)
}

async function barRenderer(): Promise<Renderer<FsckEvent<unknown>>> {
  const { MultiBar, Presets } = await import('cli-progress')
  const format = '{phase} [{bar}] {percentage}%'
  const bars = new MultiBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr }, Presets.rect)
  const open = new Map<FsckPhase, ReturnType<typeof bars.create>>()
  const started = performance.now()
  return onTerminal({
    show: (event) => {
      if (event.type !== 'progress' || performance.now() - started < LONG_MS) return
      const { phase, done, total } = event
      const bar = open.get(phase) ?? bars.create(total, 0, { phase: phase.padEnd('oci images'.length) })
      open.set(phase, bar)
      bar.setTotal(total)
      bar.update(done)
    },
    end: () => bars.stop(),
  })
}
