/** Fuzzes all decoders in a process that is watched: whether it hangs, crashes or runs out of memory, the input is known. */
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { saveInput, type Failure, type TargetReport } from './fuzz-run.js'
import type { Target } from './target.js'
import { targets } from './targets/all.js'

export interface FuzzJob {
  readonly target: string
  readonly first: number
  readonly count: number
}

export interface FuzzOrder {
  readonly seed: string
  readonly jobs: readonly FuzzJob[]
  /** The file that says where the child is. */
  readonly progress: string
}

export type FuzzMessage =
  | { readonly type: 'failure'; readonly failure: Omit<Failure, 'file'> }
  | { readonly type: 'report'; readonly report: TargetReport }

export interface FuzzOptions {
  readonly seed: string
  /** Inputs in all. */
  readonly count: number
  /** Names; all by default. */
  readonly only?: readonly string[]
  /** Number of the first input of each target. */
  readonly first?: number
  /** Where inputs that fail are kept. */
  readonly directory?: string
  readonly onReport?: (report: TargetReport) => void
}

export interface FuzzResult {
  readonly reports: readonly TargetReport[]
  readonly failures: readonly Failure[]
}

/** An input that makes no progress for so long hangs, however busy the machine is. Milliseconds. */
const PATIENCE = 30_000
/** MiB of heap: a decoder that goes on collecting ends here. */
const HEAP = 768

/** Every target gets its share of `count`, and at least one input. */
function jobsOf(chosen: readonly Target[], { count, first = 0 }: FuzzOptions): FuzzJob[] {
  const total = chosen.reduce((sum, { weight }) => sum + weight, 0)
  return chosen.map(({ name, weight }) => ({
    target: name,
    first,
    count: Math.max(1, Math.round((count * weight) / total)),
  }))
}

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-fuzz-progress-'))
  try {
    return await fuzzAll(options, join(scratch, 'progress'))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function fuzzAll(options: FuzzOptions, progress: string): Promise<FuzzResult> {
  const { seed, only = [], directory = join(tmpdir(), 'sluice-fuzz-failures'), onReport } = options
  const reports: TargetReport[] = []
  const failures: Failure[] = []
  const fail = (failure: Failure): void => {
    const target = targets.find(({ name }) => name === failure.target)!
    failures.push({ ...failure, file: saveInput(directory, target, seed, failure.index) })
  }
  let jobs = jobsOf(
    targets.filter(({ name }) => only.length === 0 || only.includes(name)),
    options,
  )
  while (jobs.length > 0) {
    const done = new Set<string>()
    const ended = await runChild({ seed, jobs, progress }, (message) => {
      if (message.type === 'failure') return fail(message.failure)
      reports.push(message.report)
      done.add(message.report.target)
      onReport?.(message.report)
    })
    // What ended the process is to be repaired before the other inputs of its target are of interest.
    if (ended !== undefined) fail(ended)
    jobs = jobs.filter(({ target }) => !done.has(target) && target !== ended?.target)
  }
  return { reports, failures }
}

/** Undefined when all jobs are done, else why the process ended before. */
function runChild(order: FuzzOrder, onMessage: (message: FuzzMessage) => void): Promise<Failure | undefined> {
  writeFileSync(order.progress, new Uint8Array(8))
  const child = fork(fileURLToPath(new URL('fuzz-child.js', import.meta.url)), [JSON.stringify(order)], {
    execArgv: [`--max-old-space-size=${HEAP}`],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    let seen = ''
    let since = performance.now()
    let problem: string | undefined
    const watch = setInterval(() => {
      const now = readFileSync(order.progress, 'hex')
      if (now !== seen) since = performance.now()
      seen = now
      if (performance.now() - since < PATIENCE) return
      problem = `no progress for ${PATIENCE} ms`
      child.kill('SIGKILL')
    }, 500)
    child.on('message', onMessage)
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearInterval(watch)
      if (status === 0) return resolve(undefined)
      const place = readFileSync(order.progress)
      const target = targets[place.readUInt32LE(0)].name
      resolve({ target, index: place.readUInt32LE(4), problem: problem ?? `the process ended (${signal ?? status})` })
    })
  })
}
