/** Where the files are that have given contents. */
import { isDamage } from '../../errors.js'
import { displayByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { loadErofsTree } from '../../formats/erofs/load.js'
import { openErofs } from '../../formats/erofs/open.js'
import { sortedNames, type Directory } from '../../formats/tree/tree.js'
import type { Repository } from '../../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../formats/erofs/format.js'

/**
 * For each object of `wanted` that a file of one of the images has, the path of the first such file, for people. An image
 * that cannot be read tells nothing.
 */
export function findFilePaths(
  repository: Repository,
  images: readonly ObjectId[],
  wanted: ReadonlySet<ObjectId>,
): Map<ObjectId, string> {
  const paths = new Map<ObjectId, string>()
  for (const image of images) {
    if (paths.size === wanted.size) break
    const root = unlessUnreadable(() =>
      loadErofsTree(openErofs(repository.objects.read(image, MAX_IMAGE_SIZE)), repository.algorithm),
    )
    if (root !== undefined) searchTree(root, wanted, paths)
  }
  return paths
}

function searchTree(root: Directory, wanted: ReadonlySet<ObjectId>, paths: Map<ObjectId, string>): void {
  const directories: [path: string, directory: Directory][] = [['', root]]
  for (const [path, directory] of directories) {
    for (const name of sortedNames(directory)) {
      const node = directory.entries.get(name)!
      const nodePath = `${path}/${name}`
      if (node.kind === 'directory') directories.push([nodePath, node])
      else if (node.content.type === 'external' && wanted.has(node.content.id) && !paths.has(node.content.id)) {
        paths.set(node.content.id, displayByteString(nodePath))
      }
    }
  }
}

function unlessUnreadable(load: () => Directory): Directory | undefined {
  try {
    return load()
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}
