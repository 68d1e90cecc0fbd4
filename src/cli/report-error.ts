/** Errors on standard error: what failed, where, why, what to do. */
import { errorCodes, ExitStatus, ioError, SluiceError, type ErrorCode } from '../errors.js'
import { messageOf, printable, printableLines } from './printable.js'

/** Writes `error` and gives the exit status. @param verbosity 0: message and hint; 1: causes too; 2: stacks too. */
export function reportError(thrown: unknown, verbosity: number): number {
  const error = isSystemError(thrown) ? ioError(thrown, 'a file operation failed') : thrown
  const lines = [`Error: ${messageOf(error)}`]
  if (verbosity >= 1) {
    const causes = [...causesOf(error)]
    if (causes.length > 0) lines.push('', 'Caused by:', ...causes.map((cause, i) => `    ${i}: ${messageOf(cause)}`))
  }
  if (error instanceof SluiceError && error.hint !== undefined) lines.push(`hint: ${printable(error.hint)}`)
  if (verbosity >= 2) {
    for (const each of [error, ...causesOf(error)]) if (each instanceof Error) lines.push('', stackOf(each))
  } else if (!(error instanceof SluiceError)) {
    lines.push('hint: this is a fault of Sluice itself; please report it with what -vv prints')
  }
  process.stderr.write(`${lines.join('\n')}\n`)
  return exitStatusOf(error)
}

/** A call into the system that failed: trouble with the machine, whatever it was for. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall !== undefined
}

function exitStatusOf(error: unknown): number {
  return error instanceof SluiceError ? error.exitStatus : ExitStatus.someFailed
}

/** The exit status of each code, for the documentation. */
export function exitStatusTable(): { code: ErrorCode; exit: number; meaning: string }[] {
  return Object.entries(errorCodes).map(([code, { exit, meaning }]) => ({ code: code as ErrorCode, exit, meaning }))
}

/** The lines of a stack; what it begins with, the message, is one. */
function stackOf(error: Error): string {
  const stack = (error.stack ?? '').replace(error.message, () => messageOf(error))
  return printableLines(stack)
}

function* causesOf(error: unknown): Generator {
  for (let at = error; at instanceof Error && at.cause !== undefined; at = at.cause) yield at.cause
}
