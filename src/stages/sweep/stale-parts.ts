/** What interrupted pulls received and nobody came back for (docs/pulling.md, "Going on after an interruption"). */
import { listParts, MAX_PART_AGE_MS } from '../../repository/parts/part-files.js'
import type { Repository } from '../../repository/repository.js'

export interface DeadParts {
  /** What was received of blobs, with sizes in bytes. */
  readonly data: readonly { readonly path: string; readonly size: number }[]
  /** Journals and locks. */
  readonly rest: readonly string[]
}

/**
 * Parts that nothing was added to for a week, or with `all` every one; never those that a running process holds. A
 * journal without bytes is about objects that this collection removes.
 */
export function listDeadParts(repository: Repository, all: boolean): DeadParts {
  const newest = all ? Infinity : Date.now() - MAX_PART_AGE_MS
  const free = listParts(repository.path).filter(({ held }) => !held)
  const dead = free.filter(({ data }) => data === undefined || data.modifiedMs < newest)
  return {
    data: dead.flatMap(({ data }) => (data === undefined ? [] : [{ path: data.path, size: data.size }])),
    rest: [...dead.map(({ journal }) => journal), ...free.map(({ lock }) => lock)].filter((path) => path !== undefined),
  }
}
