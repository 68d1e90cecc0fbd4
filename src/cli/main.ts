/** Runs a command line; gives no exit status back but sets `process.exitCode`. */
import { readFileSync } from 'node:fs'
import { CommanderError, type Command } from 'commander'
import { errnoOf, ioError } from '../errors.js'
import { globalsOf } from './globals.js'
import { packageFile } from './package-files.js'
import { createProgram, usageStatus } from './program.js'
import { reportError } from './report-error.js'
import { openStandardStreams } from './standard-streams.js'

/** Programs that the reference tool also is when it is called by their names. */
const otherNames = new Set(['mkcomposefs', 'composefs-info'])

/** @param argv as `process.argv`: node, script, arguments. */
export async function main(argv: readonly string[], name: string): Promise<void> {
  openStandardStreams()
  process.stdout.on('error', endWithoutReader)
  // What is told gets nowhere, as on a terminal that was closed: no reason to break the work off.
  process.stderr.on('error', () => undefined)
  const words = otherNames.has(name) ? [name, ...argv.slice(2)] : argv.slice(2)
  const program = await createProgram(packageVersion(), words)
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? usageStatus(error) : reported(error, program)
  }
}

/** That of a program which SIGPIPE ends: Node ignores the signal. */
const CLOSED_PIPE = 141

let outputFailed = false

/**
 * What is printed gets nowhere: a reader that goes away (`| head`) ends the program quietly, as it ends other tools. Never with
 * status 0, which would say that the work is done.
 */
function endWithoutReader(error: Error): void {
  outputFailed = true
  process.exitCode = errnoOf(error) === 'EPIPE' ? CLOSED_PIPE : reportError(ioError(error, 'standard output'), 0)
  // What can be cancelled listens, too, and ends when it has cleaned up.
  if (process.stdout.listenerCount('error') === 1) process.exit()
}

function reported(error: unknown, program: Command): number {
  // What a command fails of then is that it cannot go on printing.
  if (outputFailed) return Number(process.exitCode)
  const status = reportError(error, globalsOf(program).verbose ?? 0)
  // A signal handler may have set it already.
  return typeof process.exitCode === 'number' && process.exitCode > 128 ? process.exitCode : status
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version
}
