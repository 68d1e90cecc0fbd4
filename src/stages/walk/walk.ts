/** From the roots to every object they need (repository.md §5.1). */
import type { ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { Breather } from '../../flow/breather.js'
import { requireObjectLink } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import { DigestTable } from './digest-table.js'
import { findMountedImages } from './mounted.js'
import { NamedStreams, readImage, readStream } from './references.js'
import { collectRoots, type CategoryRoots } from './roots.js'

export interface WalkOptions {
  /** First-level names in `images/` or `streams/` to keep beside what refs name. */
  readonly extraRoots?: readonly string[]
  readonly signal?: AbortSignal
}

/** What is in use. */
export interface LiveObjects {
  readonly objects: DigestTable
  /** Streams that are to get their names in `streams/` back, as those that took them are not in use. */
  readonly displaced: ReadonlyMap<ByteString, ObjectId>
  /** Images that are kept for no other reason than that they are mounted. */
  readonly mountedOnly: readonly ObjectId[]
}

/**
 * Finds the objects that are in use. Reads the images that are roots or nothing but mounted, every stream that can be
 * reached, and no other content.
 *
 * @throws SluiceError if any of them is missing or malformed: what it refers to is unknown. Also if the link of one leads
 *   elsewhere than to its object: it counts as broken, and would go although what it stands for is wanted.
 */
export async function walkRepository(repository: Repository, options: WalkOptions = {}): Promise<LiveObjects> {
  const { extraRoots = [], signal } = options
  const objects = new DigestTable(repository.algorithm)
  const breather = new Breather(signal)
  const images = collectRoots(repository, 'images', extraRoots)
  const streams = collectRoots(repository, 'streams', extraRoots)
  await markImages(repository, images.roots.values(), objects, breather)
  requireLinks(repository, 'images', images.roots)
  const displaced = await markStreams(repository, streams, objects, breather)

  // The files of one that streams keep live through its layers.
  const mounted = findMountedImages(repository, new Set(images.entries.values()))
  const mountedOnly = [...mounted].filter((id) => !objects.has(id))
  await markImages(repository, mountedOnly, objects, breather)
  return { objects, displaced, mountedOnly }
}

async function markImages(
  repository: Repository,
  images: Iterable<ObjectId>,
  live: DigestTable,
  breather: Breather,
): Promise<void> {
  for (const id of new Set(images)) {
    await breather.breathe()
    live.add(id)
    live.addAll(readImage(repository, id))
  }
}

/**
 * Goes from stream to stream by named references. One that leads to no stream (an image, or nothing) is kept and not
 * opened: the files of an image live through its layers.
 *
 * @returns streams by the names that others took from them which are not in use.
 */
async function markStreams(
  repository: Repository,
  { entries, roots }: CategoryRoots,
  live: DigestTable,
  breather: Breather,
): Promise<Map<ByteString, ObjectId>> {
  const streams = new NamedStreams(entries)
  const links = [...roots]
  const displaced = new Map<ByteString, ObjectId>()
  const seen = new Set<ObjectId>(roots.values())
  // Grows while it is walked, each stream once: a cycle ends.
  for (const id of seen) {
    await breather.breathe()
    live.add(id)
    const { objectRefs, namedRefs } = readStream(repository, id, streams.nameOf(id))
    live.addTable(objectRefs)
    for (const [reference, named] of namedRefs) {
      live.add(named)
      if (seen.has(named)) continue
      const [name, lostName] = [streams.nameOf(named), streams.displacedFrom(reference, named)]
      if (name !== undefined) links.push([name, named])
      if (lostName !== undefined) displaced.set(lostName, named)
      if (name !== undefined || lostName !== undefined) seen.add(named)
    }
  }
  requireLinks(repository, 'streams', links)
  return new Map([...displaced].filter(([name]) => !live.has(entries.get(name)!)))
}

function requireLinks(repository: Repository, category: Category, entries: Iterable<[ByteString, ObjectId]>): void {
  for (const [name, id] of entries) requireObjectLink(repository.path, `${category}/${name}`, id)
}
