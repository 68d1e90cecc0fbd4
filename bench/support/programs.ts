/** Running the programs that the benches are made of. */
import { spawn, type SpawnOptions } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { SluiceError } from '../../src/errors.js'

/** Tools of the administrator are not on everybody's PATH. */
export const searchPath = [process.env['PATH'] ?? '', '/usr/local/bin', '/usr/sbin', '/sbin'].join(delimiter)

/** The file of a program, or undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  const files = searchPath.split(delimiter).map((folder) => join(folder, name))
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export type ProgramOptions = Pick<SpawnOptions, 'cwd' | 'env'>

/** Whatever a program writes to stderr that is kept for the error, in characters. */
const KEPT_TALK = 4000

/** A running program whose output is read by the caller, who then awaits `ended`. */
export interface RunningProgram {
  readonly output: Readable
  /** What it said on stderr; rejects if it did not end well. */
  readonly ended: Promise<string>
}

export function startProgram(command: string, args: readonly string[], options: ProgramOptions = {}): RunningProgram {
  const env = { ...process.env, ...options.env, PATH: searchPath }
  const child = spawn(command, args, { ...options, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const talk = text(child.stderr)
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', (cause) => reject(new SluiceError('SLUICE_NOT_FOUND', `cannot run ${command}`, { cause })))
    child.on('close', (status, signal) => {
      void talk.then((said) => {
        if (status === 0) return resolve(said)
        const how = signal === null ? `status ${status}` : signal
        reject(
          new SluiceError(
            'SLUICE_FAILED',
            `${[command, ...args].join(' ')}: ended with ${how}\n${said.slice(-KEPT_TALK)}`,
          ),
        )
      })
    })
  })
  // Who only reads the output sees the failure when awaiting `ended`.
  ended.catch(() => undefined)
  return { output: child.stdout, ended }
}

/** Runs a program that must succeed; returns what it printed. */
export async function runProgram(command: string, args: readonly string[], options?: ProgramOptions): Promise<string> {
  const { output, ended } = startProgram(command, args, options)
  const printed = await text(output)
  await ended
  return printed
}
