import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { ioError, SluiceError } from '../errors.js'
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
    })
  } catch (error) {
    throw ioError(error, 'cannot start a thread')
  }
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
