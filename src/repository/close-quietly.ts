import { closeSync } from 'node:fs'
import { errnoOf } from '../errors.js'

/**
 * Closes a file that was only read, or is to be thrown away: no bytes are lost if close() fails, and its failure would hide
 * another one. It closes the descriptor all the same (close(2)).
 */
export function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}
