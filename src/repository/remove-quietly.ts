/** Removing what nobody misses: what cannot be removed stays for `gc`. */
import { rmdirSync, unlinkSync } from 'node:fs'
import { errnoOf } from '../errors.js'

/** Removes a file if it is there. Whatever the system says would hide the failure that led here. */
export function removeQuietly(path: string): void {
  succeeds(() => unlinkSync(path))
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
