/** Runs a piece of code again and again and counts the CPU time of the whole process, threads of Node's pool included. */
import { spreadOf, type Spread } from '../report/statistics.js'

/** One piece of code to measure, with its input ready. */
export interface MicroBench {
  /** Of one run: bytes it goes through, if a rate in bytes means something. */
  readonly bytes?: number
  /** Of one run: items (files, inodes, documents) it makes or reads, if a time per item means something. */
  readonly items?: number
  readonly run: () => unknown
  /** Before each round, not measured. */
  readonly prepare?: () => void
  /** After the last round. */
  readonly close?: () => void
}

/** A bench by name; what it needs is made when it is opened. Undefined: it cannot run here. */
export interface MicroBenchEntry {
  readonly name: string
  readonly open: () => Promise<MicroBench | undefined> | MicroBench | undefined
}

export interface MicroResult {
  readonly name: string
  /** MB (10^6 bytes) for each second of CPU time. */
  readonly megabytesPerCpuSecond?: Spread
  /** µs of CPU time. */
  readonly microsecondsPerItem?: Spread
}

export interface HarnessOptions {
  readonly rounds: number
  /** CPU time of each round, at least. */
  readonly roundMs: number
}

/** Warms up for a third of a round, then takes the rounds. */
export async function measure(
  bench: MicroBench,
  { rounds, roundMs }: HarnessOptions,
): Promise<Omit<MicroResult, 'name'>> {
  const perRun: number[] = []
  try {
    await round(bench, roundMs / 3)
    for (let i = 0; i < rounds; i++) perRun.push(await round(bench, roundMs))
  } finally {
    bench.close?.()
  }
  const { bytes, items } = bench
  return {
    ...(bytes === undefined ? {} : { megabytesPerCpuSecond: spreadOf(perRun.map((seconds) => bytes / 1e6 / seconds)) }),
    ...(items === undefined ? {} : { microsecondsPerItem: spreadOf(perRun.map((seconds) => (seconds * 1e6) / items)) }),
  }
}

/** CPU seconds of one run, on average. */
async function round(bench: MicroBench, milliseconds: number): Promise<number> {
  bench.prepare?.()
  const start = process.cpuUsage()
  for (let runs = 1; ; runs++) {
    await bench.run()
    const { user, system } = process.cpuUsage(start)
    const seconds = (user + system) / 1e6
    // The clock of the kernel may stand still for a few milliseconds: one run at least has to show.
    if (seconds > 0 && seconds * 1000 >= milliseconds) return seconds / runs
  }
}
