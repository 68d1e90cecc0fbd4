/** Which images and streams lack something: objects of their own, or what one of those lacks that they name. */
import { existsSync } from 'node:fs'
import { isDamage } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import { ObjectTable, type Splitstream } from '../../formats/splitstream/read.js'
import type { Breather } from '../../flow/breather.js'
import { haveAllObjects } from '../../repository/object-presence.js'
import type { Repository } from '../../repository/repository.js'
import { readImage, readStream } from '../walk/references.js'

/** @param lost objects that are damaged. */
export async function findIncompleteImages(
  repository: Repository,
  images: Iterable<ObjectId>,
  lost: ReadonlySet<ObjectId>,
  breather: Breather,
): Promise<Set<ObjectId>> {
  const incomplete = new Set<ObjectId>()
  for (const id of images) {
    await breather.breathe()
    const objects = lost.has(id) ? 'damaged' : unlessDamaged(() => readImage(repository, id))
    if (
      objects === 'damaged' ||
      (objects && !isComplete(repository, ObjectTable.of(objects, repository.algorithm), lost))
    ) {
      incomplete.add(id)
    }
  }
  return incomplete
}

/**
 * Follows named references also to streams whose link is gone: a repair that was killed may have removed it, and what
 * needs that stream is incomplete all the same.
 *
 * @param lost objects that are damaged.
 * @param unusable images that are incomplete, and streams that are not what their name says. What names one needs it; as a
 *   file of a layer, such an object is as good as any.
 */
export async function findIncompleteStreams(
  repository: Repository,
  streams: ReadonlySet<ObjectId>,
  lost: ReadonlySet<ObjectId>,
  unusable: ReadonlySet<ObjectId>,
  breather: Breather,
): Promise<Set<ObjectId>> {
  const incomplete = new Set<ObjectId>()
  const dependents = new Map<ObjectId, ObjectId[]>()
  // Grows while it is walked, each object once: a cycle ends.
  const seen = new Set(streams)
  for (const id of seen) {
    await breather.breathe()
    if (lost.has(id) || unusable.has(id) || !existsSync(repository.objects.path(id))) {
      incomplete.add(id)
      continue
    }
    const stream = unlessDamaged(() => readStream(repository, id))
    // What has a name inside a stream need not be one: an image is not.
    if (stream === undefined || (stream === 'damaged' && !streams.has(id))) continue
    if (stream === 'damaged' || !isComplete(repository, stream.objectRefs, lost)) incomplete.add(id)
    else noteDependent(dependents, seen, id, stream)
  }
  // Grows, too.
  for (const id of incomplete) dependents.get(id)?.forEach((dependent) => incomplete.add(dependent))
  return incomplete
}

function noteDependent(
  dependents: Map<ObjectId, ObjectId[]>,
  seen: Set<ObjectId>,
  id: ObjectId,
  { namedRefs }: Splitstream,
): void {
  for (const named of namedRefs.values()) {
    seen.add(named)
    const known = dependents.get(named)
    if (known === undefined) dependents.set(named, [id])
    else known.push(id)
  }
}

/** Undefined if nothing can be said. */
function unlessDamaged<T>(read: () => T): T | 'damaged' | undefined {
  try {
    return read()
  } catch (error) {
    return isDamage(error) ? 'damaged' : undefined
  }
}

function isComplete(repository: Repository, table: ObjectTable, lost: ReadonlySet<ObjectId>): boolean {
  if (!haveAllObjects(repository.objects, [table])[0]) return false
  if (lost.size === 0) return true
  for (const id of table) if (lost.has(id)) return false
  return true
}
