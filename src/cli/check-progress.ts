/** Shows how far a check is: a bar for each of its steps on a terminal, and nothing without one. */
import type { Observable } from 'rxjs'
import { SluiceError } from '../errors.js'
import type { FsckEvent, FsckPhase } from '../index.js'
import { progressStyle } from './progress.js'

/** A check that is over sooner shows nothing. */
const LONG_MS = 1000

interface Bars {
  show(phase: FsckPhase, done: number, total: number): void
  end(): void
}

/** Runs a check, showing it, and gives its result. */
export async function showCheck<Result>(check: Observable<FsckEvent<Result>>, quiet: boolean): Promise<Result> {
  const bars = progressStyle({ quiet, json: false }) === 'bars' ? await openBars() : undefined
  return new Promise((resolve, reject) => {
    check.subscribe({
      next: (event) => {
        if (event.type === 'completed') {
          bars?.end()
          resolve(event.result)
        } else bars?.show(event.phase, event.done, event.total)
      },
      error: (error: unknown) => {
        bars?.end()
        reject(error)
      },
      complete: () => reject(new SluiceError('SLUICE_FAILED', 'the check ended without a result')),
    })
  })
}

async function openBars(): Promise<Bars> {
  const { MultiBar, Presets } = await import('cli-progress')
  const format = '{phase} [{bar}] {percentage}%'
  const bars = new MultiBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr }, Presets.rect)
  const open = new Map<FsckPhase, ReturnType<typeof bars.create>>()
  const started = performance.now()
  return {
    show: (phase, done, total) => {
      if (performance.now() - started < LONG_MS) return
      const bar = open.get(phase) ?? bars.create(total, 0, { phase: phase.padEnd('oci images'.length) })
      open.set(phase, bar)
      bar.setTotal(total)
      bar.update(done)
    },
    end: () => bars.stop(),
  }
}
