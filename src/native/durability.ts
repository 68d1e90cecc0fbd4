/** One barrier for all files of a file system, run before a stream is linked (repository.md §2.9). */
import { promisify } from 'node:util'
import { SluiceError } from '../errors.js'
import { callAsync, libcAvailable } from './libc.js'

export function syncfsAvailable(): boolean {
  return libcAvailable()
}

/**
 * Writes out the file system that holds the directory `path`, open as `fd`, which must stay open until this is done. It
 * runs on a pool thread: a disk with much dirty data takes seconds. Linux before 5.8 does not report write errors of
 * earlier moments.
 *
 * Without native code the `sync` program does the same: it calls syncfs for a path given with `-f`.
 */
export async function syncFileSystem(path: string, fd: number): Promise<void> {
  if (libcAvailable()) {
    await callAsync('syncfs', fd)
    return
  }
  const { execFile } = await import('node:child_process')
  try {
    await promisify(execFile)('sync', ['-f', '--', path])
  } catch (cause) {
    throw new SluiceError(
      'SLUICE_NATIVE',
      `cannot make ${path} durable: native code is off or missing, and "sync -f" failed`,
      { cause },
    )
  }
}
