/** Runs the command line with one call that touches its repository failing (test/faults/shim/fault-shim.c). */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run, runOk, type RunResult } from './system-run.js'
import { projectRoot } from './vectors.js'

/** `dead`: this call and all after it fail with EIO. `kill` carries out half of a write first. */
export const faultModes = ['ENOSPC', 'EIO', 'short', 'kill', 'EINTR', 'dead', 'EDQUOT'] as const
export type FaultMode = (typeof faultModes)[number]

export interface Fault {
  readonly mode: FaultMode
  /** Which call, from 1. */
  readonly at: number
}

export interface FaultedRun {
  readonly repo: string
  readonly args: readonly string[]
  readonly fault?: Fault
  /** Gets a line for each call. */
  readonly log?: string
  /** The only core the run may use, so that it has no threads and its calls come in the same order each time. */
  readonly core?: number
}

/** What running with faults takes of the machine. */
export const shimNeeds = ['cc', 'taskset'] as const

/** The cores that this process may use. */
export function cores(): number[] {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

export class FaultShim {
  readonly #library: string

  private constructor(library: string) {
    this.#library = library
  }

  /** Compiles the shim into `folder`. */
  static async compile(folder: string): Promise<FaultShim> {
    const library = join(folder, 'fault-shim.so')
    const source = join(projectRoot, 'test/faults/shim/fault-shim.c')
    await runOk('cc', ['-std=gnu11', '-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'])
    return new FaultShim(library)
  }

  /** The status is null if the run was killed. */
  run({ repo, args, fault, log, core }: FaultedRun): Promise<RunResult> {
    const node = [process.execPath, join(projectRoot, 'bin/sluice.js'), '--repo', repo, ...args]
    const [command, ...rest] = core === undefined ? node : ['taskset', '-c', `${core}`, ...node]
    const env = {
      HOME: '/nonexistent',
      LD_PRELOAD: this.#library,
      SLUICE_FAULT_DIR: repo,
      ...(log !== undefined && { SLUICE_FAULT_LOG: log }),
      ...(fault !== undefined && faultEnvironment(fault)),
    }
    return run(command, rest, { env, timeout: 60_000 })
  }

  /** The calls of an undisturbed run, each as its name and the path it is about. */
  async calls(run: FaultedRun): Promise<string[]> {
    const log = `${run.repo}.calls`
    const { status, stderr } = await this.run({ ...run, log })
    if (status !== 0) throw new Error(`the undisturbed run ended with status ${status}: ${stderr}`)
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    rmSync(log)
    return lines.map((line) => line.slice(line.indexOf(' ') + 1))
  }
}

function faultEnvironment({ mode, at }: Fault): Record<string, string> {
  const isDead = mode === 'dead'
  return {
    SLUICE_FAULT_MODE: isDead ? 'EIO' : mode,
    SLUICE_FAULT_AT: `${at}`,
    ...(isDead && { SLUICE_FAULT_LAST: `${Number.MAX_SAFE_INTEGER}` }),
  }
}
