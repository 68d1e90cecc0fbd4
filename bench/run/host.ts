/** The machine that a bench runs on. */
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import type { BenchResults } from '../report/results.js'

export function describeHost(): BenchResults['host'] {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version.slice(1),
  }
}
