/** Runs one command and measures what it took: wall time, CPU of the whole process tree, memory of its largest process. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { SluiceError, cancelled } from '../../src/errors.js'
import type { Measurement } from '../report/results.js'
import { findProgram, searchPath } from '../support/programs.js'
import { childTimes } from './child-times.js'
import { PeakWatch } from './peak-watch.js'

export interface MeasureOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The command may use the first so many cores; default: all. */
  readonly cores?: number
  /** Kills the command and all that it started. */
  readonly signal?: AbortSignal
}

export type MeasuredRun = Omit<Measurement, 'writtenBytes'> & { readonly stdout: string }

/** Characters of a failed command's output that go into the error. */
const KEPT_OUTPUT = 2000

/** Without certificates that Node is to trust beside its own: reading them takes it 30 ms at each start, and no bench needs them. */
const { NODE_EXTRA_CA_CERTS: _certificates, ...inherited } = process.env

/** @throws SLUICE_FAILED if the command does not end well, SLUICE_CANCELLED if the signal ended it. */
export async function measureCommand(
  command: readonly string[],
  { env, cores, signal }: MeasureOptions = {},
): Promise<MeasuredRun> {
  signal?.throwIfAborted()
  const report = new PeakReport()
  const pinned = cores === undefined ? command : ['taskset', '--cpu-list', `0-${cores - 1}`, ...command]
  const [program = '', ...args] = report.wrap(pinned)
  try {
    const before = childTimes()
    const started = performance.now()
    // A process group of its own, so that all of it can be killed.
    const child = spawn(program, args, {
      env: { ...inherited, ...env, PATH: searchPath },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const kill = () => void (child.pid !== undefined && killGroup(child.pid))
    signal?.addEventListener('abort', kill, { once: true })
    report.watch(child.pid)
    const output = Promise.all([text(child.stdout), text(child.stderr)])
    const status = await new Promise<string>((resolve, reject) => {
      child.on('error', (cause) => reject(new SluiceError('SLUICE_NOT_FOUND', `cannot run ${program}`, { cause })))
      child.on('exit', (code, by) => resolve(by ?? `status ${code}`))
    }).finally(() => signal?.removeEventListener('abort', kill))
    const wallSeconds = (performance.now() - started) / 1000
    const after = childTimes()
    const [stdout, stderr] = await output
    if (signal?.aborted === true) throw cancelled(signal)
    if (status !== 'status 0') {
      const said = `${stderr}${stdout}`.slice(-KEPT_OUTPUT).trimEnd()
      throw new SluiceError('SLUICE_FAILED', `${command.join(' ')}: ended with ${status}\n${said}`)
    }
    const userSeconds = after.userSeconds - before.userSeconds
    const systemSeconds = after.systemSeconds - before.systemSeconds
    return { wallSeconds, userSeconds, systemSeconds, peakRssBytes: report.peakBytes(), stdout }
  } finally {
    report.close()
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // It is over already.
  }
}

/** The peak memory of a command: by time(1), which has it from the kernel; without that program by looking again and again. */
class PeakReport {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-bench-time-'))
  readonly #time = findProgram('time')
  #watch: PeakWatch | undefined

  wrap(command: readonly string[]): readonly string[] {
    return this.#time === undefined ? command : [this.#time, '--format=%M', `--output=${this.#file}`, ...command]
  }

  watch(pid: number | undefined): void {
    if (this.#time === undefined && pid !== undefined) this.#watch = new PeakWatch(pid)
  }

  /** After the end of the command. */
  peakBytes(): number {
    if (this.#watch !== undefined) return this.#watch.stop()
    // Above the figure, time(1) says so if the command failed.
    return Number(readFileSync(this.#file, 'utf8').trim().split('\n').at(-1)) * 1024
  }

  close(): void {
    this.#watch?.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder, 'report')
  }
}
