/** Removing what nobody misses: what cannot be removed stays for `gc`. */
import { rmdirSync, unlinkSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { errnoOf } from '../errors.js'

/** Removes a file if it is there. Whatever the system says would hide the failure that led here. */
export function removeQuietly(path: string): void {
  succeeds(() => unlinkSync(path))
}

/** As `removeQuietly`, in another thread: to free a file of 300 MB takes 50 ms, in which nothing else would go on. */
export async function removeLargeQuietly(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}

/** Removes directories in which nothing is. @param directories the innermost first; the first one that stays ends it. */
export function removeEmptyDirectories(directories: readonly string[]): void {
  directories.every((directory) => succeeds(() => rmdirSync(directory)))
}

function succeeds(remove: () => void): boolean {
  try {
    remove()
    return true
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}
