/** Watches the memory of a process and all below it; for machines without time(1). */
import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds between two looks. The kernel keeps the peak of a process, so only growth just before its end is missed. */
const INTERVAL_MS = 25

export class PeakWatch {
  readonly #timer: NodeJS.Timeout
  #peak = 0

  constructor(root: number) {
    this.#timer = setInterval(() => this.#look(root), INTERVAL_MS)
  }

  /** The largest resident set that was seen, in bytes. */
  stop(): number {
    clearInterval(this.#timer)
    return this.#peak
  }

  #look(root: number): void {
    const parents = new Map<number, number>()
    const peaks = new Map<number, number>()
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue
      const status = readStatus(name)
      parents.set(Number(name), statusNumber(status, 'PPid'))
      peaks.set(Number(name), statusNumber(status, 'VmHWM') * 1024)
    }
    const isBelow = (pid: number | undefined): boolean =>
      pid !== undefined && pid > 0 && (pid === root || isBelow(parents.get(pid)))
    for (const [pid, peak] of peaks) if (peak > this.#peak && isBelow(pid)) this.#peak = peak
  }
}

/** Nothing of a process that has ended in the meantime. */
function readStatus(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

/** A figure of /proc/PID/status, 0 if it is not there. */
export function statusNumber(status: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
}
