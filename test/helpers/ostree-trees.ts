/** File trees that become images, and those commits. */
import type { ByteString } from '../../src/formats/bytes.js'
import {
  newDirectory,
  newLeaf,
  noXattrs,
  type Directory,
  type LeafContent,
  type Stat,
} from '../../src/formats/tree/tree.js'
import type { ObjectId } from '../../src/formats/digest.js'
import type { Repository } from '../../src/repository/repository.js'
import { commitImages, encodeImages } from '../../src/stages/erofs/commit-images.js'

/** Of root, 0755 for directories and 0644 for files, unless said otherwise. */
export function statOf(mode: number, stat: Partial<Stat> = {}): Stat {
  return { mode, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs, ...stat }
}

export interface TreeFile {
  readonly content: LeafContent
  readonly stat?: Partial<Stat>
}

/** A root directory with these files. */
export function treeOf(files: Readonly<Record<ByteString, TreeFile>>): Directory {
  const root = newDirectory(statOf(0o755))
  for (const [name, { content, stat }] of Object.entries(files)) {
    root.entries.set(name, newLeaf(statOf(0o644, stat), content))
  }
  return root
}

/** A file whose content is an object of the repository. */
export function storedFile(repository: Repository, data: Uint8Array): LeafContent {
  const { id, size } = repository.objects.store(data)
  return { type: 'external', id, size }
}

/** The image of a tree. */
export function imageOf(repository: Repository, root: Directory): ObjectId {
  const version = repository.erofsFormats.default
  return commitImages(repository, encodeImages(root, [version])).get(version)!
}
