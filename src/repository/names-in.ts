import { readdirSync } from 'node:fs'
import { errnoOf, ioError } from '../errors.js'

/**
 * The names of what is in a directory; none if it is missing.
 *
 * @param encoding `latin1` gives each byte of a name as a character, which loses none.
 * @param shown what errors call the directory.
 */
export function namesIn(directory: string, encoding: 'utf8' | 'latin1' = 'utf8', shown = directory): string[] {
  try {
    return readdirSync(directory, encoding)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError(error, `cannot list ${shown}`)
  }
}
