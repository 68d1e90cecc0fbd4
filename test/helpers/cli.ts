/** Runs the real command line as a process. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { projectRoot } from './vectors.js'

export interface CliResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

/** An environment in which nothing of this machine's user counts. */
const environment = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' }

export function sluice(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const native = process.env['SLUICE_NATIVE']
    const child = spawn(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...args], {
      env: { ...environment, ...(native === undefined ? {} : { SLUICE_NATIVE: native }), ...options.env },
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    child.on('error', reject)
    child.on('close', (status) => {
      resolve({ status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    })
  })
}
