/** What a repair does, found before anything is done. */
import { lstatSync } from 'node:fs'
import { SluiceError } from '../../errors.js'
import { displayByteString, utf8ByteString, type ByteString } from '../../formats/bytes.js'
import { objectPath, type ObjectId } from '../../formats/digest.js'
import type { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import { checkOciImage } from '../check/check-oci-image.js'
import { Findings, type Problem } from '../check/findings.js'
import type { DamagedObject } from '../check/object-checker.js'
import { listTags, type Tag } from '../check/tags.js'
import { findIncompleteImages, findIncompleteStreams } from './incomplete.js'
import { deadLinks, linkedObjects, readLinks, type CategoryLinks } from './links.js'

export interface RepairPlan {
  /** What is moved aside: damaged objects, and what lies where only objects or only links belong. */
  readonly aside: readonly Misfit[]
  /** Links that lead nowhere, or to what is incomplete then. */
  readonly links: readonly ByteString[]
  /** Tags of images that are not whole. */
  readonly tags: readonly Tag[]
}

export interface Misfit {
  /** Relative to the repository. */
  readonly path: ByteString
  /** Of an object in its place. */
  readonly id: ObjectId | undefined
}

/** What the check found that cannot be seen from the links. */
export interface Damage {
  readonly objects: readonly DamagedObject[]
  /** Streams, as error lines name them, whose content is not what their name says. */
  readonly wrongStreams: readonly string[]
}

/**
 * Looks at all links; changes nothing. The caller holds the exclusive lock since before the check.
 *
 * @throws SluiceError `SLUICE_READ_ONLY` if there are objects that cannot be opened: they may be sound.
 */
export async function planRepair(repository: Repository, damage: Damage, breather: Breather): Promise<RepairPlan> {
  expectReadable(repository, damage.objects)
  const damaged = damage.objects.map(toMisfit)
  const [images, streams] = [readLinks(repository, 'images'), readLinks(repository, 'streams')]

  const lost = new Set(damaged.map(({ id }) => id).filter((id) => id !== undefined))
  const lostImages = await findIncompleteImages(repository, linkedObjects(images), lost, breather)
  const unusable = new Set([...lostImages, ...wrongStreams(streams, damage)])
  const lostStreams = await findIncompleteStreams(repository, linkedObjects(streams), lost, unusable, breather)

  const links = [...deadLinks(repository, images, lostImages), ...deadLinks(repository, streams, lostStreams)]
  const dead = new Set(links)
  const tags = listTags(repository).filter((tag) => dead.has(tag.path) || isIncomplete(repository, tag))
  for (const { path } of tags) dead.delete(path)
  const others = [...images.others, ...streams.others].map((path) => ({ path, id: undefined }))
  return { aside: [...damaged, ...others], links: [...dead], tags }
}

function expectReadable({ path: root }: Repository, objects: readonly DamagedObject[]): void {
  const isClosed = ({ problem, path }: DamagedObject) =>
    problem === 'object-open-failed' && lstatSync(`${root}/${path}`, { throwIfNoEntry: false })?.isFile() === true
  const closed = objects.find(isClosed)
  if (closed === undefined) return
  throw new SluiceError('SLUICE_READ_ONLY', `cannot repair the repository: ${closed.parts.join(': ')}`, {
    hint: 'run this as the owner of the repository; nothing was changed',
  })
}

/** A file with capitals in its name is none that anybody finds: what is damaged is not the object of that id. */
function toMisfit({ path, id }: DamagedObject): Misfit {
  const isInPlace = id !== undefined && path === `objects/${objectPath(id)}`
  return { path: utf8ByteString(path), id: isInPlace ? id : undefined }
}

function wrongStreams({ entries }: CategoryLinks, damage: Damage): Set<ObjectId> {
  const wrong = new Set(damage.wrongStreams)
  return linkedObjects({ entries: entries.filter(({ path }) => wrong.has(displayByteString(path))) })
}

/** What a tagged image lacks if it is not whole and another pull would make it so; other problems it would bring again. */
const incompleteImage: readonly Problem[] = [
  'manifest-read-failed',
  'manifest-digest-mismatch',
  'config-ref-missing',
  'config-read-failed',
  'config-digest-mismatch',
  'layer-ref-missing',
  'layer-stream-missing',
  'artifact-layer-ref-missing',
]

/** Beside what streams refer to, an image needs the links of its layers, and documents with the right digests. */
function isIncomplete(repository: Repository, { name, digest }: Tag): boolean {
  const findings = new Findings()
  checkOciImage(repository, name, digest, findings)
  return incompleteImage.some((problem) => findings.problems.has(problem))
}
