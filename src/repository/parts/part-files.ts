/**
 * What arrived of blobs that are not stored yet lies in `.sluice/parts` of the repository, a place that cfsctl does not
 * look at (tried with 0.9.4: `fsck`, `gc`, `images`, `oci fsck`). The directory is there only while something is pending.
 *
 * A blob `sha256:X` has up to three files: `sha256-X`, the bytes from its beginning; `sha256-X.json`, the journal; and
 * while somebody works on it `sha256-X.lock`.
 */
import { lstatSync, openSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, ioError } from '../../errors.js'
import type { Digest } from '../../formats/digest.js'
import { lockingAvailable, tryLock } from '../../native/lock.js'
import { closeQuietly } from '../close-quietly.js'
import { makeDirectories } from '../links.js'
import { namesIn } from '../names-in.js'
import { removeEmptyDirectories } from '../remove-quietly.js'

/** Relative to the repository. */
export const PARTS_DIRECTORY = '.sluice/parts'

/** Nobody comes back for what is older: longer than a weekend, shorter than a disk takes to fill up. */
export const MAX_PART_AGE_MS = 7 * 24 * 60 * 60 * 1000

const JOURNAL_SUFFIX = '.json'
const LOCK_SUFFIX = '.lock'

export interface PartPaths {
  readonly data: string
  readonly journal: string
  readonly lock: string
}

export function partPaths(root: string, digest: Digest): PartPaths {
  const data = join(root, PARTS_DIRECTORY, digest.replace(':', '-'))
  return { data, journal: data + JOURNAL_SUFFIX, lock: data + LOCK_SUFFIX }
}

/** Whoever leaves last removes the directory, so it may go between two calls of another process. */
const CREATE_TRIES = 20

/** Opens a file of what is pending to append to it, with the directory if that is missing. */
export function createPartFile(path: string): number {
  for (let tries = 1; ; tries++) {
    try {
      return openSync(path, 'a+', 0o600)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries === CREATE_TRIES) throw error
      makeDirectories(dirname(path), 0o700, 1)
    }
  }
}

/** Removes the directory if nothing is in it. */
export function removeEmptyPartsDirectory(root: string): void {
  removeEmptyDirectories([PARTS_DIRECTORY, dirname(PARTS_DIRECTORY)].map((directory) => join(root, directory)))
}

/** All that lies there for one blob; paths are relative to the repository. */
export interface PartEntry {
  /** Undefined if there are no bytes. */
  readonly data: { readonly path: string; readonly size: number; readonly modifiedMs: number } | undefined
  readonly journal: string | undefined
  readonly lock: string | undefined
  /** Whether a running process works on it. */
  readonly held: boolean
}

/** What is pending in the repository at `root`. Only files are: something else there is not ours, to open a pipe would block. */
export function listParts(root: string): PartEntry[] {
  const directory = join(root, PARTS_DIRECTORY)
  const files = new Map<string, Stats>()
  for (const name of namesIn(directory)) {
    const stats = lstatSync(join(directory, name), { throwIfNoEntry: false })
    if (stats?.isFile() === true) files.set(name, stats)
  }
  const stem = (name: string) =>
    [JOURNAL_SUFFIX, LOCK_SUFFIX].reduce(
      (rest, suffix) => (rest.endsWith(suffix) ? rest.slice(0, -suffix.length) : rest),
      name,
    )
  const path = (name: string) => (files.has(name) ? `${PARTS_DIRECTORY}/${name}` : undefined)
  return [...new Set([...files.keys()].map(stem))].sort().map((name) => {
    const lock = path(name + LOCK_SUFFIX)
    const data = files.get(name)
    return {
      data: data && { path: `${PARTS_DIRECTORY}/${name}`, size: data.size, modifiedMs: data.mtimeMs },
      journal: path(name + JOURNAL_SUFFIX),
      lock,
      held: lock !== undefined && isHeld(join(root, lock)),
    }
  })
}

/** Who cannot ask the kernel leaves the file alone. */
function isHeld(lock: string): boolean {
  if (!lockingAvailable()) return true
  let fd: number
  try {
    fd = openSync(lock, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError(error, `cannot open ${lock}`)
  }
  try {
    return !tryLock(fd, 'shared')
  } finally {
    closeQuietly(fd)
  }
}
