/** What of a repository an image needs (erofs.md §10.4). */
import { objectIdFromPath, type HashAlgorithm, type ObjectId } from '../digest.js'
import { parseMetacopy } from './metacopy.js'
import type { ErofsImage } from './open.js'
import { TRUSTED_PREFIX, walkImage } from './walk-image.js'

/**
 * Checks the metadata of an image: everything reachable can be read, and the rules of its version hold.
 *
 * @throws SluiceError SLUICE_FORMAT with the first problem
 */
export function checkErofs(image: ErofsImage): void {
  walkImage(image, () => {})
}

/**
 * The objects that the files of an image name by digest or by path, sorted. Checks the image as `checkErofs` does: an
 * incomplete list is an error. Overlay xattrs that are not of `algorithm` are passed over.
 */
export function listErofsObjects(image: ErofsImage, algorithm: HashAlgorithm): ObjectId[] {
  const objects = new Set<ObjectId>()
  walkImage(image, (xattrs) => {
    for (const { prefix, suffix, value } of xattrs) {
      if (prefix !== TRUSTED_PREFIX) continue
      const id =
        suffix === 'overlay.metacopy'
          ? parseMetacopy(value, algorithm)
          : suffix === 'overlay.redirect'
            ? objectIdFromPath(algorithm, value.replace(/^\//, ''))
            : undefined
      if (id !== undefined) objects.add(id)
    }
  })
  return [...objects].sort()
}
