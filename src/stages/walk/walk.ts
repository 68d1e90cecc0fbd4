/** From the roots to every object they need (repository.md §5.1). */
import { withContext } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { listErofsObjects } from '../../formats/erofs/list-objects.js'
import { openErofs } from '../../formats/erofs/open.js'
import { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import { MAX_IMAGE } from '../../repository/stored-image.js'
import { LiveSet } from './live-set.js'
import { collectRoots, type CategoryRoots } from './roots.js'

export interface WalkOptions {
  /** First-level names in `images/` or `streams/` to keep beside what refs name. */
  readonly extraRoots?: readonly string[]
  readonly signal?: AbortSignal
}

/**
 * The objects that are in use. Reads every root image and every stream that can be reached, and no other content.
 *
 * @throws SluiceError if any of them is missing or malformed: what it refers to is unknown.
 */
export async function walkRepository(repository: Repository, options: WalkOptions = {}): Promise<LiveSet> {
  const { extraRoots = [], signal } = options
  const live = new LiveSet()
  const breather = new Breather(signal)
  const images = collectRoots(repository, 'images', extraRoots)
  const streams = collectRoots(repository, 'streams', extraRoots)
  for (const [name, id] of images.roots) {
    await breather.breathe()
    markImage(repository, name, id, live)
  }
  await markStreams(repository, streams, live, breather)
  return live
}

function markImage(repository: Repository, name: ByteString, id: ObjectId, live: LiveSet): void {
  live.add(id)
  try {
    const image = openErofs(repository.objects.read(id, MAX_IMAGE))
    for (const object of listErofsObjects(image, repository.algorithm)) live.add(object)
  } catch (error) {
    throw withContext(error, `image ${displayByteString(name)}`)
  }
}

/**
 * Goes from stream to stream by named references. One that leads to no stream (an image, or nothing) is kept and not
 * opened: the files of an image live through its layers.
 */
async function markStreams(
  repository: Repository,
  { entries, roots }: CategoryRoots,
  live: LiveSet,
  breather: Breather,
): Promise<void> {
  const nameOf = new Map([...entries].map(([name, id]) => [id, name]))
  const seen = new Set<ObjectId>(roots.values())
  // Grows while it is walked, each stream once: a cycle ends.
  for (const id of seen) {
    await breather.breathe()
    live.add(id)
    const stream = repository.openStreamObject(id, `stream ${displayByteString(nameOf.get(id)!)}`)
    stream.close()
    for (const object of stream.objectRefs) live.add(object)
    for (const reference of stream.namedRefs.values()) {
      live.add(reference)
      if (nameOf.has(reference)) seen.add(reference)
    }
  }
}
