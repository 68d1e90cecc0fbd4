/** Small files of a repository in a directory, which are read as a whole. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { formatError } from '../../errors.js'

/**
 * @param limit most bytes to accept.
 * @param flags more of them for open(2).
 * @throws SluiceError `SLUICE_FORMAT`, naming the file: neither a regular file nor a directory, or too large. Else what the
 * system says.
 */
export function readLocalFile(path: string, limit: number, flags = 0): Buffer {
  // Whatever lies there must not be waited for, as a pipe would be.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  try {
    const stats = fstatSync(fd)
    // Of a directory reading says so.
    if (!stats.isFile() && !stats.isDirectory()) throw formatError('ostree', `${path} is not a regular file`)
    if (stats.size > limit) throw formatError('ostree', `${path} has ${stats.size} bytes, more than ${limit}`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}
