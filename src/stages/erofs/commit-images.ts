/** EROFS images of a tree, stored as objects and linked below `images/` (oci.md §4.3). */
import type { ObjectId } from '../../formats/digest.js'
import { writeErofs } from '../../formats/erofs/write.js'
import type { Directory } from '../../formats/tree/tree.js'
import { verityDigest } from '../../formats/verity/digest.js'
import type { ErofsVersion } from '../../formats/erofs/format.js'
import type { Repository } from '../../repository/repository.js'

/** One image per version. */
export function encodeImages(root: Directory, versions: readonly ErofsVersion[]): Map<ErofsVersion, Buffer> {
  return new Map(versions.map((version) => [version, writeErofs(root, { version, dialect: 'rust' })]))
}

/** Stores images; gives their ids. */
export function commitImages(
  repository: Repository,
  images: ReadonlyMap<ErofsVersion, Buffer>,
): Map<ErofsVersion, ObjectId> {
  const ids = new Map<ErofsVersion, ObjectId>()
  for (const [version, image] of images) {
    const id = repository.objects.replace(image)
    repository.images.link(id, id)
    ids.set(version, id)
  }
  return ids
}

/** The id an image of `root` has, without storing it. */
export function computeImageId(
  repository: Pick<Repository, 'algorithm'>,
  root: Directory,
  version: ErofsVersion,
): ObjectId {
  return verityDigest(repository.algorithm, writeErofs(root, { version, dialect: 'rust' }))
}
