/** What a collection would remove, found before anything is (repository.md §5.1, §5.4; design.md §9.5). */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { ioError, SluiceError } from '../../errors.js'
import type { ByteString } from '../../formats/bytes.js'
import { objectIdFromPath } from '../../formats/digest.js'
import { Breather } from '../../flow/breather.js'
import { listLinks, listRefs, resolveLink } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import { listObjects, objectDirectories } from '../../repository/object-listing.js'
import type { Repository } from '../../repository/repository.js'
import type { LiveSet } from '../walk/live-set.js'
import { listLeaks } from './leaks.js'
import { listDeadParts, type DeadParts } from './stale-parts.js'

/** Paths are relative to the repository. */
export interface SweepPlan {
  /** Objects that nothing needs, with their sizes in bytes. */
  readonly objects: readonly DeadObject[]
  /** Links, refs among them, that are broken or will be once the objects are gone. */
  readonly links: Readonly<Record<Category, readonly ByteString[]>>
  /** What writers left behind; no counter has them. */
  readonly leaks: readonly string[]
  /** What interrupted pulls received. */
  readonly parts: DeadParts
}

export interface SweepOptions {
  /** All parts, and not only those that are a week old. */
  readonly parts?: boolean
  readonly signal?: AbortSignal
}

export interface DeadObject {
  readonly path: string
  readonly size: number
}

/**
 * Looks at every object name and every link; changes nothing.
 *
 * @throws SluiceError `SLUICE_CORRUPT` if there is something among the objects that is none.
 */
export async function planSweep(
  repository: Repository,
  live: LiveSet,
  { parts = false, signal }: SweepOptions = {},
): Promise<SweepPlan> {
  const objects = await findDeadObjects(repository, live, new Breather(signal))
  const links = {
    images: findDeadLinks(repository, 'images', live),
    streams: findDeadLinks(repository, 'streams', live),
  }
  return { objects, links, leaks: listLeaks(repository), parts: listDeadParts(repository, parts) }
}

async function findDeadObjects(repository: Repository, live: LiveSet, breather: Breather): Promise<DeadObject[]> {
  const dead: DeadObject[] = []
  const strange: string[] = []
  for (const directory of objectDirectories) {
    for (const { path, id } of listObjects(repository.objects, directory)) {
      await breather.breathe()
      if (id !== undefined && live.has(id)) continue
      const size = id === undefined ? undefined : sizeOf(repository, path)
      if (size === undefined) strange.push(path)
      else dead.push({ path, size })
    }
  }
  if (strange.length === 0) return dead
  const others = strange.length === 1 ? '' : ` (and ${strange.length - 1} more)`
  throw new SluiceError('SLUICE_CORRUPT', `${strange[0]}${others} is not an object`, {
    hint: 'move it out of the repository; nothing was removed',
  })
}

/** In bytes; undefined for a directory, which cannot be an object. */
function sizeOf(repository: Repository, path: string): number | undefined {
  try {
    const stats = lstatSync(join(repository.path, path))
    return stats.isDirectory() ? undefined : stats.size
  } catch (error) {
    throw ioError(error, `cannot look at ${path}`)
  }
}

/** Follows each link to its end, as the kernel does: what the text of a link says need not be where it leads. */
function findDeadLinks(repository: Repository, category: Category, live: LiveSet): ByteString[] {
  const isDead = deadObjectTest(repository, live)
  return [...listLinks(repository.path, category), ...listRefs(repository.path, category)]
    .filter(({ target }) => target !== undefined)
    .map(({ path }) => path)
    .filter((path) => {
      const end = resolveLink(repository.path, path)
      return end === undefined || isDead(end)
    })
}

/** Whether an absolute path is one of a dead object. */
function deadObjectTest(repository: Repository, live: LiveSet): (path: ByteString) => boolean {
  const objects = resolveLink(repository.path, 'objects')
  if (objects === undefined) return () => false
  return (path) => {
    const id = objectIdFromPath(repository.algorithm, path)
    if (id === undefined || live.has(id) || !path.startsWith(`${objects}/`)) return false
    const inside = path.slice(objects.length + 1)
    return inside.length === id.length + 1 && inside.startsWith(`${id.slice(0, 2)}/`)
  }
}
