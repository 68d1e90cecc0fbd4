/** Relative symbolic links inside a repository (repository.md §2.5), replaced atomically. */
import { mkdirSync, readlinkSync, renameSync, statSync, symlinkSync, unlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { errnoOf, ioError } from '../errors.js'

const alphanumerics = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** 12 random letters and digits, as in the names of temporary files and links. */
export function randomSuffix(): string {
  return Array.from(randomBytes(12), (byte) => alphanumerics[byte % alphanumerics.length]).join('')
}

/** The text of the link at `link` that points to `target`; both relative to the repository. */
function relativeTarget(link: string, target: string): string {
  const from = dirname(link).split('/')
  const to = target.split('/')
  let common = 0
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/')
}

const DIRECTORY_TRIES = 16

/**
 * Creates `directory` and its missing parents with mode 0755 & ~umask; what is there stays as it is.
 *
 * Node's own recursive form never ends on a file system that answers ENOENT for a directory it will not make, as procfs.
 *
 * @param mode of `directory` itself.
 * @param parents how many may be made: those below the repository, which is not to come back when somebody has removed it.
 */
export function makeDirectories(directory: string, mode = 0o755, parents = Infinity): void {
  for (let tries = 1; ; tries++) {
    try {
      mkdirSync(directory, mode)
      return
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EEXIST' && statSync(directory).isDirectory()) return
      if (errno !== 'ENOENT' || parents === 0 || tries === DIRECTORY_TRIES) throw error
      const parent = dirname(directory)
      // One that is there now may not have been a moment ago: threads and processes that begin together make the same ones.
      if (!isThere(parent)) makeDirectories(parent, 0o755, parents - 1)
    }
  }
}

/** By stat, not access: that one answers from memory, with no error, where the disk has failed meanwhile. */
const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** Of links that have no name of their own yet. */
export const SYMLINK_PREFIX = '.symlink-'

/** Makes `link` (relative to `root`, like `target`) point to `target`, whatever it was before. */
export function ensureLink(root: string, link: string, target: string): void {
  const path = join(root, link)
  const text = relativeTarget(link, target)
  try {
    makeDirectories(dirname(path), 0o755, dirname(link).split('/').length - 1)
    if (tryLink(text, path) || currentTarget(path) === text) return
    // Of so many names no two writers get the same.
    const temporary = join(root, `${SYMLINK_PREFIX}${randomSuffix()}`)
    symlinkSync(text, temporary)
    try {
      renameSync(temporary, path)
    } catch (error) {
      unlinkSync(temporary)
      throw error
    }
  } catch (error) {
    throw ioError(error, `cannot link ${link} in the repository`)
  }
}

const tryLink = (text: string, path: string): boolean => unlessThere(() => symlinkSync(text, path))

/** False if what `make` makes is there already. */
export function unlessThere(make: () => void): boolean {
  try {
    make()
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

function currentTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
