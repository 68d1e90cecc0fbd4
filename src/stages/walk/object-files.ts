/** What lies in the 256 directories of objects, name by name: a million of them, none of which becomes an object of ours. */
import { lstatSync, readdirSync } from 'node:fs'
import { errnoOf, ioError } from '../../errors.js'
import type { ByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import { objectDirectories } from '../../repository/object-listing.js'
import type { Repository } from '../../repository/repository.js'

/** Gives the names of each directory in its order; one that is missing has none. */
export async function forEachObjectDirectory(
  { objects }: Repository,
  breather: Breather,
  visit: (directory: number, names: readonly ByteString[]) => void,
): Promise<void> {
  for (const [number, directory] of objectDirectories.entries()) {
    await breather.breathe()
    visit(number, listNames(`${objects.directory}/${directory}`, directory))
  }
}

function listNames(path: string, directory: string): ByteString[] {
  try {
    return readdirSync(path, 'latin1')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError(error, `cannot list objects/${directory}`)
  }
}

/** The path of an object by its directory and name, relative to the repository. */
export function objectFilePath(directory: number, name: ByteString): ByteString {
  return `objects/${objectDirectories[directory]}/${name}`
}

/** Bytes of the file at `path`, relative to the repository; undefined for a directory, which cannot be an object. */
export function objectSize(repository: Repository, path: string): number | undefined {
  try {
    const stats = lstatSync(`${repository.path}/${path}`)
    return stats.isDirectory() ? undefined : stats.size
  } catch (error) {
    throw ioError(error, `cannot look at ${path}`)
  }
}
