/** Looking up directories by their names, as the reference does it and as container runtimes do (oci.md §4.0, §4.1). */
import type { ByteString } from '../bytes.js'
import { formatError, type SluiceError } from '../../errors.js'
import { pathNames, shown } from './path.js'
import type { Directory } from './tree.js'

/** Most names that one lookup may go through, those of symlink targets included: PATH_MAX has room for no more. */
const MAX_NAMES = 2048

/** As the kernel counts them. */
const MAX_SYMLINKS = 40

function checkNameCount(count: number): void {
  if (count > MAX_NAMES) throw formatError('layer', `path of more than ${MAX_NAMES} names`)
}

export function notExisting(name: ByteString): SluiceError {
  return formatError('layer', `directory entry ${shown(name)} does not exist`)
}

/**
 * The directory that `names` lead to from `root`, through directories only.
 * @throws SluiceError where one is missing or something else.
 */
export function strictNames(root: Directory, names: readonly ByteString[]): Directory {
  checkNameCount(names.length)
  const { directory, walked } = walk(root, names)
  const name = names[walked]
  if (name === undefined) return directory
  if (!directory.entries.has(name)) throw notExisting(name)
  throw formatError('layer', `directory entry ${shown(name)} is not a subdirectory`)
}

/** Goes as far as there are directories. */
function walk(root: Directory, names: readonly ByteString[]): { directory: Directory; walked: number } {
  let directory = root
  for (let walked = 0; walked < names.length; walked++) {
    const node = directory.entries.get(names[walked])
    if (node?.kind !== 'directory') return { directory, walked }
    directory = node
  }
  return { directory, walked: names.length }
}

/**
 * As `strictNames`, but follows symlinks inside `root`. Where there is no directory and no symlink, `missing` may supply
 * a directory or end the lookup.
 * @throws SluiceError for symlinks in a circle.
 */
export function followNames<T extends Directory | undefined>(
  root: Directory,
  names: readonly ByteString[],
  missing: (parent: Directory, name: ByteString) => T,
): Directory | T {
  checkNameCount(names.length)
  const { directory, walked } = walk(root, names)
  return walked === names.length ? directory : followSymlinks(root, names, missing)
}

function followSymlinks<T extends Directory | undefined>(
  root: Directory,
  names: readonly ByteString[],
  missing: (parent: Directory, name: ByteString) => T,
): Directory | T {
  /** From the root down to where the lookup is, so that `..` has somewhere to go. */
  const path = [root]
  const todo = [...names].reverse()
  let seen = names.length
  let symlinks = 0
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '..') {
      if (path.length > 1) path.pop()
      continue
    }
    const directory = path.at(-1)!
    const node = directory.entries.get(name)
    if (node?.kind === 'directory') path.push(node)
    else if (node?.content.type === 'symlink' && node.content.target !== '') {
      if (++symlinks > MAX_SYMLINKS) throw formatError('layer', `more than ${MAX_SYMLINKS} symlinks at ${shown(name)}`)
      const { target } = node.content
      if (target.startsWith('/')) path.length = 1
      const further = pathNames(target)
      seen += further.length
      checkNameCount(seen)
      todo.push(...further.reverse())
    } else {
      const supplied = missing(directory, name)
      if (supplied === undefined) return supplied
      path.push(supplied)
    }
  }
  return path.at(-1)!
}
