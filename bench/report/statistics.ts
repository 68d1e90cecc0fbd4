/** What is said about several runs: the median, and how far the others lie from it. */
import type { Measurement } from './results.js'

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @param values at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1)! }
}

/** The ratio of the medians, and the widest range in which that of two single runs lies; undefined if `below` is 0. */
export function ratioOf(above: Spread, below: Spread): Spread | undefined {
  if (below.min === 0) return undefined
  return { median: above.median / below.median, min: above.min / below.max, max: above.max / below.min }
}

const MIB = 1024 * 1024

/** What is measured of each run, in the unit in which it is shown. */
export const metrics = {
  wall: { title: 'Wall time', unit: 's', of: (run: Measurement) => run.wallSeconds },
  cpu: { title: 'CPU time', unit: 's', of: (run: Measurement) => run.userSeconds + run.systemSeconds },
  memory: { title: 'Peak memory', unit: 'MiB', of: (run: Measurement) => run.peakRssBytes / MIB },
  written: { title: 'Written', unit: 'MiB', of: (run: Measurement) => run.writtenBytes / MIB },
} as const

export type Metric = keyof typeof metrics

export const metricNames = Object.keys(metrics) as Metric[]

export function spreadOfRuns(runs: readonly Measurement[], metric: Metric): Spread {
  return spreadOf(runs.map(metrics[metric].of))
}

/** Two or three significant digits, but no fewer than those before the point: `4.71`, `0.30`, `0.0034`, `1234`. */
export function formatNumber(value: number): string {
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value >= 0.1 || value === 0 ? value.toFixed(2) : value.toPrecision(2)
}

/** `2.31×`. */
export function formatRatio(value: number): string {
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)}×`
}
