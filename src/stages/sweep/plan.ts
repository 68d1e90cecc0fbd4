/** What a collection would remove, found before anything is (repository.md §5.1, §5.4; design.md §9.5). */
import { SluiceError } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import { objectIdFromPath, type ObjectId } from '../../formats/digest.js'
import { Breather } from '../../flow/breather.js'
import { listLinks, listRefs, resolveLink } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import type { DigestTable } from '../walk/digest-table.js'
import { forEachObjectDirectory, objectFilePath, objectSize } from '../walk/object-files.js'
import type { LiveObjects } from '../walk/walk.js'
import { DeadObjects } from './dead-objects.js'
import { listLeaks } from './leaks.js'
import { listDeadParts, type DeadParts } from './stale-parts.js'

/** Paths are relative to the repository. */
export interface SweepPlan {
  /** Objects that nothing needs, with their sizes in bytes. */
  readonly objects: DeadObjects
  /** Links, refs among them, that are broken or will be once the objects are gone. */
  readonly links: Readonly<Record<Category, readonly ByteString[]>>
  /** Streams to link anew, by their names: what has these now is not in use. */
  readonly displaced: ReadonlyMap<ByteString, ObjectId>
  /** What writers left behind; no counter has them. */
  readonly leaks: readonly string[]
  /** What interrupted pulls received. */
  readonly parts: DeadParts
  /** Images that stay for no other reason than that they are mounted. */
  readonly mountedOnly: readonly ObjectId[]
}

export interface SweepOptions {
  /** All parts, and not only those that are a week old. */
  readonly parts?: boolean
  readonly signal?: AbortSignal
}

/**
 * Looks at every object name and every link; changes nothing.
 *
 * @throws SluiceError `SLUICE_CORRUPT` if there is something among the objects that is none.
 */
export async function planSweep(
  repository: Repository,
  live: LiveObjects,
  { parts = false, signal }: SweepOptions = {},
): Promise<SweepPlan> {
  const objects = await findDeadObjects(repository, live.objects, new Breather(signal))
  const isRelinked = (path: ByteString) => live.displaced.has(path.slice('streams/'.length))
  const links = {
    images: findDeadLinks(repository, 'images', live.objects),
    streams: findDeadLinks(repository, 'streams', live.objects).filter((path) => !isRelinked(path)),
  }
  return {
    objects,
    links,
    displaced: live.displaced,
    leaks: listLeaks(repository),
    parts: listDeadParts(repository, parts),
    mountedOnly: live.mountedOnly,
  }
}

async function findDeadObjects(repository: Repository, live: DigestTable, breather: Breather): Promise<DeadObjects> {
  const dead = new DeadObjects(repository.algorithm)
  const strange: ByteString[] = []
  await forEachObjectDirectory(repository, breather, (directory, names) => {
    const dying: string[] = []
    for (const name of names) {
      const number = live.numberOfFile(directory, name)
      if (number === undefined) strange.push(objectFilePath(directory, name))
      else if (number < 0) dying.push(name)
    }
    dead.add(directory, dying, (name) => {
      const path = objectFilePath(directory, name)
      const size = objectSize(repository, path)
      if (size === undefined) strange.push(path)
      return size ?? 0
    })
  })
  if (strange.length === 0) return dead
  strange.sort()
  const others = strange.length === 1 ? '' : ` (and ${strange.length - 1} more)`
  throw new SluiceError('SLUICE_CORRUPT', `${displayByteString(strange[0])}${others} is not an object`, {
    hint: 'move it out of the repository; nothing was removed',
  })
}

/** Follows each link to its end, as the kernel does: what the text of a link says need not be where it leads. */
function findDeadLinks(repository: Repository, category: Category, live: DigestTable): ByteString[] {
  const isDead = deadObjectTest(repository, live)
  return [...listLinks(repository.path, category), ...listRefs(repository.path, category)]
    .map(({ path }) => path)
    .filter((path) => {
      const end = resolveLink(repository.path, path)
      return end === undefined || isDead(end)
    })
}

/** Whether an absolute path is one of a dead object. */
function deadObjectTest(repository: Repository, live: DigestTable): (path: ByteString) => boolean {
  const objects = resolveLink(repository.path, 'objects')
  if (objects === undefined) return () => false
  return (path) => {
    const id = objectIdFromPath(repository.algorithm, path)
    if (id === undefined || live.has(id) || !path.startsWith(`${objects}/`)) return false
    const inside = path.slice(objects.length + 1)
    return inside.length === id.length + 1 && inside.startsWith(`${id.slice(0, 2)}/`)
  }
}
