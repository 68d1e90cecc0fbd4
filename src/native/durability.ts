/**
 * syncfs(2): one barrier for all files of a file system, run before a stream is linked (repository.md §2.9).
 *
 * Where it is missing, the caller fsyncs every file it has made and every directory it has changed instead; only the
 * caller knows them.
 */
import { callAsync, libcAvailable } from './libc.js'

export function syncfsAvailable(): boolean {
  return libcAvailable()
}

/**
 * Writes out the file system that holds `fd`, which must stay open until this is done. It runs on a pool thread: a disk
 * with much dirty data takes seconds. Linux before 5.8 does not report write errors of earlier moments.
 */
export async function syncfs(fd: number): Promise<void> {
  await callAsync('syncfs', fd)
}
