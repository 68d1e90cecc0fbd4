/** Reads the file tree of an image back, undoing what the writer adds (erofs.md §10.5). */
import type { ByteString } from '../bytes.js'
import type { HashAlgorithm } from '../digest.js'
import { formatError, withContext } from '../../errors.js'
import { shown } from '../tree/path.js'
import { S_IFDIR, S_IFMT, S_IFREG, isWhiteout, newDirectory, newLeaf, type Directory, type Leaf } from '../tree/tree.js'
import { InodeReader, type DiskInode, type DiskXattr } from './inode-reader.js'
import { loadContent, loadStat } from './load-leaf.js'
import type { ErofsImage } from './open.js'
import { isEscapedWhiteout, isWhiteoutInode } from './walk-image.js'

/** Nested directories below the root that the reference still loads. */
const MAX_DEPTH = 2047

/**
 * The tree of an image. With an `algorithm`, digests of the other one are refused; without, either is taken.
 *
 * @throws SluiceError SLUICE_FORMAT naming the directory where something is malformed
 */
export function loadErofsTree(image: ErofsImage, algorithm?: HashAlgorithm): Directory {
  return new TreeLoader(image, algorithm).load()
}

interface PendingDirectory {
  readonly inode: DiskInode
  readonly parentNid: number
  readonly path: ByteString
  readonly depth: number
  readonly directory: Directory
}

interface LoadedLeaf {
  readonly leaf: Leaf
  readonly path: ByteString
  /** As the inode has it. */
  readonly nlink: number
  references: number
}

class TreeLoader {
  readonly #image: ErofsImage
  readonly #algorithm: HashAlgorithm | undefined
  readonly #reader: InodeReader
  readonly #directories = new Set<number>()
  readonly #leaves = new Map<number, LoadedLeaf>()
  /** Breadth first: a loop, because a hostile image nests deeper than calls can. */
  readonly #queue: PendingDirectory[] = []

  constructor(image: ErofsImage, algorithm: HashAlgorithm | undefined) {
    this.#image = image
    this.#algorithm = algorithm
    this.#reader = new InodeReader(image)
  }

  load(): Directory {
    const { rootNid } = this.#image
    const inode = this.#reader.inode(rootNid)
    if ((inode.mode & S_IFMT) !== S_IFDIR) throw formatError('erofs', 'the root is not a directory')
    const root = this.#addDirectory(inode, rootNid, '', 0)
    for (const pending of this.#queue) {
      try {
        this.#fill(pending)
      } catch (error) {
        throw withContext(error, `directory ${shown(pending.path === '' ? '/' : pending.path)}`)
      }
    }
    for (const leaf of this.#leaves.values()) checkReferences(leaf)
    return root
  }

  #addDirectory(inode: DiskInode, parentNid: number, path: ByteString, depth: number): Directory {
    if (depth > MAX_DEPTH) throw formatError('erofs', `directories nested deeper than ${MAX_DEPTH}`)
    // Also what keeps a directory that contains itself, or stands in one twice, from growing without end.
    if (this.#directories.has(inode.nid)) throw formatError('erofs', `${shown(path)} is a directory with two places`)
    this.#directories.add(inode.nid)
    const directory = newDirectory(loadStat(inode, this.#reader.xattrs(inode)))
    this.#queue.push({ inode, parentNid, path, depth, directory })
    return directory
  }

  #fill({ inode, parentNid, path, depth, directory }: PendingDirectory): void {
    const links = new Map<ByteString, number>([
      ['.', inode.nid],
      ['..', parentNid],
    ])
    let subdirectories = 0
    const names = new Set<ByteString>()
    for (const { name, nid } of this.#reader.entries(inode)) {
      if (names.has(name)) throw formatError('erofs', `the name ${shown(name)} appears twice`)
      names.add(name)
      if (links.has(name)) {
        if (links.get(name) !== nid) throw formatError('erofs', `"${name}" leads elsewhere`)
        continue
      }
      if (name === '' || name.length > 255 || name.includes('/') || name.includes('\0')) {
        throw formatError('erofs', `the name ${shown(name)} is not possible`)
      }
      const child = this.#reader.inode(nid)
      const childPath = `${path}/${name}`
      if ((child.mode & S_IFMT) === S_IFDIR) {
        subdirectories++
        directory.entries.set(name, this.#addDirectory(child, inode.nid, childPath, depth + 1))
      } else {
        const leaf = this.#leaf(child, name, childPath, depth === 0)
        if (leaf !== undefined) directory.entries.set(name, leaf)
      }
    }
    for (const name of links.keys()) if (!names.has(name)) throw formatError('erofs', `no entry "${name}"`)
    if (inode.nlink !== 2 + subdirectories) {
      throw formatError('erofs', `link count ${inode.nlink} of a directory with ${subdirectories} subdirectories`)
    }
  }

  /** The leaf of an inode, undefined for a stub of the writer. */
  #leaf(inode: DiskInode, name: ByteString, path: ByteString, inRoot: boolean): Leaf | undefined {
    const known = this.#leaves.get(inode.nid)
    if (known !== undefined) {
      known.references++
      return known.leaf
    }
    const xattrs = this.#reader.xattrs(inode)
    if (inRoot && isStub(inode, name, xattrs)) return undefined
    const options = { version: this.#image.version, algorithm: this.#algorithm }
    try {
      const leaf = newLeaf(loadStat(inode, xattrs), loadContent(inode, xattrs, this.#reader, options))
      this.#leaves.set(inode.nid, { leaf, path, nlink: inode.nlink, references: 1 })
      return leaf
    } catch (error) {
      throw withContext(error, shown(name))
    }
  }
}

/** As in the reference, a user's whiteout of such a name, in either case and in any version, counts as a stub too. */
function isStub(inode: DiskInode, name: ByteString, xattrs: readonly DiskXattr[]): boolean {
  if (!/^[0-9a-f]{2}$/i.test(name)) return false
  return isWhiteoutInode(inode) || ((inode.mode & S_IFMT) === S_IFREG && isEscapedWhiteout(xattrs))
}

function checkReferences({ leaf, path, nlink, references }: LoadedLeaf): void {
  if (nlink !== references) {
    throw formatError('erofs', `${shown(path)} has link count ${nlink} but ${references} names`)
  }
  if (references > 1 && isWhiteout(leaf)) {
    throw formatError('erofs', `${shown(path)} is a whiteout (device 0:0) with ${references} names`)
  }
}
