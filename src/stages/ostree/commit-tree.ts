/** The file tree of a commit (ostree.md §5.1). */
import { formatError, withContext } from '../../errors.js'
import { utf8ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { readCommit } from '../../formats/ostree/commit.js'
import { readDirmeta, type Ownership } from '../../formats/ostree/dirmeta.js'
import { readDirtree, type Dirtree } from '../../formats/ostree/dirtree.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { xattrMap } from '../../formats/ostree/xattrs.js'
import {
  newDirectory,
  newLeaf,
  noXattrs,
  type Directory,
  type Leaf,
  type LeafContent,
  type Stat,
} from '../../formats/tree/tree.js'
import { HeaderMemo } from './file-headers.js'
import type { CommitObjects } from './stored-commit.js'

export interface CommitTreeOptions {
  /** Leave the zero byte at the end of the names of xattrs, as the reference does (§5.2). */
  readonly parity: boolean
}

/** A dirtree may stand in many places: a few of them can state more names than fit into any memory. */
const MAX_NAMES = 1_000_000
/** Directories inside one another: the longest path that the kernel takes has no more, nor has a tree that is read back. */
const MAX_DEPTH = 2047

/** @throws SluiceError `SLUICE_FORMAT` if an object is missing or not what it should be. */
export function commitTree(objects: CommitObjects, commit: OstreeId, { parity }: CommitTreeOptions): Directory {
  return new TreeBuilder(objects, parity).build(commit)
}

class TreeBuilder {
  readonly #objects: CommitObjects
  readonly #parity: boolean
  readonly #stats = new Map<OstreeId, Stat>()
  readonly #headers = new HeaderMemo((header) => ({ stat: this.#statOf(header), target: header.target }))
  /** Each file is one leaf, wherever it is used. */
  readonly #leaves = new Map<OstreeId, Leaf>()
  readonly #dirtrees = new Map<OstreeId, Dirtree>()
  /** How many names are in and below each dirtree. */
  readonly #names = new Map<OstreeId, number>()

  constructor(objects: CommitObjects, parity: boolean) {
    this.#objects = objects
    this.#parity = parity
  }

  build(id: OstreeId): Directory {
    const { tree, meta } = readCommit(this.#metadata('commit', id))
    if (this.#namesBelow(tree, 0) > MAX_NAMES) throw formatError('ostree', `the tree has more than ${MAX_NAMES} names`)
    return this.#directory(tree, meta, 0)
  }

  #namesBelow(tree: OstreeId, depth: number): number {
    const known = this.#names.get(tree)
    if (known !== undefined) return known
    checkDepth(depth)
    const { files, directories } = this.#dirtree(tree)
    const below = directories.reduce((sum, { tree }) => sum + this.#namesBelow(tree, depth + 1), 0)
    const names = files.length + directories.length + below
    this.#names.set(tree, names)
    return names
  }

  #directory(tree: OstreeId, meta: OstreeId, depth: number): Directory {
    checkDepth(depth)
    const directory = newDirectory(this.#stat(meta))
    const { files, directories } = this.#dirtree(tree)
    for (const { name, id } of files) directory.entries.set(utf8ByteString(name), this.#leaf(id))
    for (const { name, tree, meta } of directories) {
      directory.entries.set(utf8ByteString(name), this.#directory(tree, meta, depth + 1))
    }
    return directory
  }

  /** Read once: its names are counted before its directory is made. */
  #dirtree(id: OstreeId): Dirtree {
    const known = this.#dirtrees.get(id)
    if (known !== undefined) return known
    const dirtree = readDirtree(this.#metadata('dirtree', id))
    this.#dirtrees.set(id, dirtree)
    return dirtree
  }

  #metadata(type: string, id: OstreeId): Uint8Array {
    const found = this.#objects.get(id)
    if (found === undefined || found.external !== undefined) throw formatError('ostree', `there is no ${type} ${id}`)
    return found.data
  }

  #stat(id: OstreeId): Stat {
    const known = this.#stats.get(id)
    if (known !== undefined) return known
    const bytes = this.#metadata('dirmeta', id)
    // What came with a base was not checked before.
    if (hashMetadata(bytes) !== id) throw formatError('ostree', `Invalid dirmeta checksum: ${id}`)
    const stat = this.#statOf(readDirmeta(bytes))
    this.#stats.set(id, stat)
    return stat
  }

  #statOf({ uid, gid, mode, xattrs }: Ownership): Stat {
    const map = xattrs.length === 0 ? noXattrs : xattrMap(xattrs, this.#parity)
    return { uid, gid, mode, mtime: 0n, mtimeNsec: 0, xattrs: map }
  }

  #leaf(id: OstreeId): Leaf {
    const known = this.#leaves.get(id)
    if (known !== undefined) return known
    try {
      const leaf = this.#readLeaf(id)
      this.#leaves.set(id, leaf)
      return leaf
    } catch (error) {
      throw withContext(error, `file ${id}`)
    }
  }

  #readLeaf(id: OstreeId): Leaf {
    const found = this.#objects.get(id)
    if (found === undefined) throw formatError('ostree', 'it is not there')
    const { data, external } = found
    const { size, isSymlink, length, made } = this.#headers.read(data)
    return newLeaf(made.stat, isSymlink ? symlink(made.target) : regular(data.subarray(length), external, size))
  }
}

function symlink(target: string): LeafContent {
  return { type: 'symlink', target: utf8ByteString(target) }
}

/** @param rest what follows the header. */
function regular(rest: Buffer, external: ObjectId | undefined, size: number): LeafContent {
  if (external === undefined) return { type: 'inline', data: rest }
  if (rest.length > 0) throw formatError('ostree', 'Unexpected trailing file data')
  return { type: 'external', id: external, size }
}

function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw formatError('ostree', `there are more than ${MAX_DEPTH} directories inside one another`)
}
