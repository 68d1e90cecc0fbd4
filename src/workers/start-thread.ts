import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { errnoOf, ioError, SluiceError } from '../errors.js'
import { loadNative } from '../native/library.js'

/**
 * Starts a thread that finds native code.
 *
 * @param name of its file, beside this one and of the same kind. @param setup what it begins with.
 * @param youngGenerationMb V8's space for new objects.
 * @throws SluiceError
 */
export function startThread(name: string, setup: unknown, youngGenerationMb: number): Worker {
  requireWorkingDirectory()
  loadNative()
  try {
    return new Worker(new URL(`${name}${extname(import.meta.url)}`, import.meta.url), {
      workerData: setup,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
      ...(isTextProgram() && { execArgv: [] }),
    })
  } catch (error) {
    throw notStarted(error, 'cannot start a thread')
  }
}

function notStarted(cause: unknown, what: string): SluiceError {
  const isLimited = errnoOf(cause) === 'EAGAIN'
  return ioError(cause, what, isLimited ? 'allow more threads: see "ulimit -u" and pids.max of the cgroup' : undefined)
}

/** Whether Node was started with `--input-type`, as with `-e`: a thread, which is a file, ends at once if it inherits that. */
function isTextProgram(): boolean {
  return process.execArgv.some((flag) => flag.startsWith('--input-type'))
}

/** Node's threads look for it when they start, and end if it is not there. */
function requireWorkingDirectory(): void {
  try {
    process.cwd()
  } catch (cause) {
    throw new SluiceError('SLUICE_IO', 'cannot start a thread: the working directory is not there any more', {
      cause,
      hint: 'run the same command in a directory that is there',
    })
  }
}

/** The error for a thread that has ended by itself. @param what ended. */
export function threadError(cause: unknown, what: string): SluiceError {
  if (!(cause instanceof Error)) return new SluiceError('SLUICE_FAILED', what, { cause })
  if ((cause as NodeJS.ErrnoException).syscall !== undefined) return ioError(cause, what)
  // Of one that could not start, Node says why in words alone.
  const [, errno] = /^Worker initialization failure: (E[A-Z]+)$/.exec(cause.message) ?? []
  if (errno !== undefined) return notStarted(Object.assign(new Error(errno, { cause }), { code: errno }), what)
  return new SluiceError('SLUICE_FAILED', `${what}: ${cause.message}`, { cause })
}
