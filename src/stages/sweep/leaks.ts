/** Temporary files, directories of such, and links that writers left behind when they were killed (repository.md §5.2). */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { PROBE_PREFIX } from '../../native/capabilities.js'
import { readDirectory } from '../../repository/category.js'
import { METADATA_FILE } from '../../repository/init.js'
import { SYMLINK_PREFIX } from '../../repository/links.js'
import { TEMPORARY_PREFIX } from '../../repository/temporary-object.js'
import type { Repository } from '../../repository/repository.js'

/**
 * No writer can be at work under the exclusive lock; but one that takes no lock (`init`, or an old tool) needs far less
 * than this.
 */
const LEAK_AGE_MS = 60 * 60 * 1000

/** Files that `init` writes in the repository's own directory: those of the file system's probe, and metadata. */
const FILE_PREFIXES = [PROBE_PREFIX, `.${METADATA_FILE}-`]

/** Their paths, relative to the repository; only those older than an hour. */
export function listLeaks(repository: Repository): string[] {
  const objects = readDirectory(repository.objects.directory)
    .filter((entry) => (entry.isFile() || entry.isDirectory()) && entry.name.startsWith(TEMPORARY_PREFIX))
    .map(({ name }) => `objects/${name}`)
  const others = readDirectory(repository.path)
    .filter((entry) =>
      entry.isSymbolicLink()
        ? entry.name.startsWith(SYMLINK_PREFIX)
        : entry.isFile() && FILE_PREFIXES.some((prefix) => entry.name.startsWith(prefix)),
    )
    .map(({ name }) => name)
  const newest = Date.now() - LEAK_AGE_MS
  return [...objects, ...others].filter((path) => {
    const stats = lstatSync(join(repository.path, path), { throwIfNoEntry: false })
    return stats !== undefined && stats.mtimeMs < newest
  })
}
