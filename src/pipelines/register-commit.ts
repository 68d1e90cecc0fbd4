/** Commits in a repository: finding one that is complete, and giving one its image and its name (ostree.md §3.1, §5.4). */
import { cancelled } from '../errors.js'
import type { ObjectId } from '../formats/digest.js'
import { ObjectCollection } from '../formats/ostree/object-collection.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import { commitStreamName } from '../formats/ostree/ref-name.js'
import type { Directory } from '../formats/tree/tree.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import type { Repository } from '../repository/repository.js'
import { hasImage, lackNothing, saysDamaged } from '../repository/stored-image.js'
import { commitImages, encodeImages } from '../stages/erofs/commit-images.js'
import { commitTree } from '../stages/ostree/commit-tree.js'
import { encodeCommit } from '../stages/ostree/encode-commit.js'
import { readStoredCommit, type StoredCommit } from '../stages/ostree/stored-commit.js'
import type { OstreePullResult } from './ostree-events.js'

export type RegisteredCommit = Pick<OstreePullResult, 'verity' | 'image' | 'images'>

export interface RegisterOptions {
  /** Names of xattrs keep their zero byte in images (ostree.md §5.2). */
  readonly parity: boolean
  readonly signal?: AbortSignal
}

export function isWhole(repository: Repository, { externals }: StoredCommit): boolean {
  return lackNothing(repository, [externals])[0]
}

/** The commit if all of it is there; what is missing or damaged is pulled again (design.md §9.10). */
export async function findStoredCommit(
  repository: Repository,
  id: OstreeId,
  signal: AbortSignal,
): Promise<StoredCommit | undefined> {
  try {
    const stored = await readStoredCommit(repository, commitStreamName(id), signal)
    return stored.commit === id && isWhole(repository, stored) ? stored : undefined
  } catch (error) {
    if (saysDamaged(error)) return undefined
    throw error
  }
}

/** The image of a stored commit, which is made if there is none (§5.4). */
export async function ensureImage(
  repository: Repository,
  stored: StoredCommit,
  options: RegisterOptions,
): Promise<RegisteredCommit> {
  const { image, stream } = stored
  if (image !== undefined && hasImage(repository, image)) return { verity: stream, image, images: new Map() }
  repository.ensureWritable()
  const objects = new ObjectCollection()
  for (let index = 0; index < stored.payload.count; index++) {
    const id = stored.payload.idAt(index)
    const { data, external } = stored.get(id)!
    objects.add(id, data, external)
  }
  return registerCommit(repository, stored.commit, objects, options)
}

/** Makes the images, and last gives the commit its name. @param objects all that belongs to it. */
export async function registerCommit(
  repository: Repository,
  commit: OstreeId,
  objects: ObjectCollection,
  { parity, signal }: RegisterOptions,
): Promise<RegisteredCommit> {
  const tree = commitTree(objects, commit, { parity })
  const { withoutImage, image, images } = await registerTree(repository, commit, objects, tree, signal)
  return { verity: withoutImage, image, images }
}

/** Of both forms of the splitstream (§4.3) the ids, and those of the images. */
export interface RegisteredTree extends Pick<RegisteredCommit, 'image' | 'images'> {
  readonly withoutImage: ObjectId
  /** The one that is stored. */
  readonly stream: ObjectId
}

/** As `registerCommit`. @param tree is what the images are made of. */
export async function registerTree(
  repository: Repository,
  commit: OstreeId,
  objects: ObjectCollection,
  tree: Directory,
  signal: AbortSignal | undefined,
): Promise<RegisteredTree> {
  const { default: primary, extra } = repository.erofsFormats
  const versions: ErofsVersion[] = [primary, ...extra]
  // The stream is compressed in another thread while the images are made in this one.
  const encoding = encodeCommit(repository.objects, objects.payload(commit))
  encoding.catch(() => undefined)
  const images = commitImages(repository, encodeImages(tree, versions))
  const image: ObjectId = images.get(primary)!
  const encoded = await encoding
  const stream = await encoded.storeWith(image)
  if (signal?.aborted === true) throw cancelled(signal)
  await repository.nameStream(commitStreamName(commit), stream)
  return { withoutImage: encoded.withoutImage, stream, image, images }
}
