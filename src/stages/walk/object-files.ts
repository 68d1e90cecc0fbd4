/** What lies in the 256 directories of objects, name by name: a million of them, none of which becomes an object of ours. */
import { lstatSync } from 'node:fs'
import { ioError } from '../../errors.js'
import type { ByteString } from '../../formats/bytes.js'
import type { Breather } from '../../flow/breather.js'
import { namesIn } from '../../repository/names-in.js'
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
    visit(number, namesIn(`${objects.directory}/${directory}`, 'latin1', `objects/${directory}`))
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
