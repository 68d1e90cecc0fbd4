/**
 * Layers to one tree (oci.md §4.0, §4.1): entries are applied one after the other, layers in the order of the config.
 */
import { fromByteString, toByteString, type ByteString } from '../bytes.js'
import { formatError, withContext } from '../../errors.js'
import type { TarEntry } from '../tar/entry.js'
import { followNames, notExisting, strictNames } from './follow.js'
import { shown, splitPath } from './path.js'
import { newDirectory, newLeaf, noXattrs, type Directory, type Leaf, type Stat, type TreeNode } from './tree.js'

const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_MARKER = '.wh..wh..opq'
const U32_MAX = 0xffffffff
/** Most bytes of names, symlink targets and xattrs that entries bring: an image of a million files has some 30 MB. */
const MAX_TEXT = 256 * 1024 * 1024
/** What the kernel takes for a path. V8 keeps all of a longer one for the sake of a piece of it. */
const LONG_PATH = 4096

export interface MergeOptions {
  /** Refuse what the reference refuses: parents that are missing or symlinks (oci.md §4.0). */
  readonly parity: boolean
}

/** What a directory has that no layer describes: 0755, root's, 1970. */
function madeStat(): Stat {
  return { mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs }
}

/** A directory over a directory only changes its metadata; anything else is replaced. */
function putDirectory(entries: Map<ByteString, TreeNode>, name: ByteString, stat: Stat): void {
  const there = entries.get(name)
  if (there?.kind === 'directory') there.stat = stat
  else entries.set(name, newDirectory(stat))
}

/** A name that keeps no long path in memory. */
function ownName(name: ByteString, path: ByteString): ByteString {
  return path.length > LONG_PATH ? toByteString(fromByteString(name)) : name
}

function textOf(entry: TarEntry, name: ByteString): number {
  if (entry.type === 'hardlink') return name.length
  let length = name.length
  if (entry.type === 'leaf' && entry.content.type === 'symlink') length += entry.content.target.length
  for (const [key, value] of entry.stat.xattrs) length += key.length + value.length
  return length
}

function makeDirectory(parent: Directory, name: ByteString): Directory {
  const made = newDirectory(madeStat())
  parent.entries.set(name, made)
  return made
}

function leafOf({ stat, content }: Extract<TarEntry, { type: 'leaf' }>): Leaf {
  if ((content.type === 'chr' || content.type === 'blk') && content.rdev > U32_MAX) {
    throw formatError('layer', `device number ${content.rdev} does not fit 32 bits`)
  }
  return newLeaf(stat, content)
}

/** Builds the tree of an image from the entries of its layers. `finishTree` makes of it what images are made of. */
export class LayerMerger {
  /** The tree so far. */
  readonly root: Directory = newDirectory(madeStat())
  readonly #parity: boolean
  #text = 0

  constructor({ parity }: MergeOptions) {
    this.#parity = parity
  }

  /**
   * Applies one entry; whiteouts act at once on all that is there, whichever layer it came from.
   * @throws SluiceError when the entry cannot have a place in the tree.
   */
  apply(entry: TarEntry): void {
    try {
      this.#apply(entry)
    } catch (error) {
      throw withContext(error, `entry ${shown(entry.path)}`)
    }
  }

  #apply(entry: TarEntry): void {
    const { parents, name } = this.#split(entry.path)
    if (name === undefined) {
      if (entry.type !== 'directory') throw formatError('layer', 'the root must be a directory')
      this.root.stat = entry.stat
      return
    }
    // Links are resolved first: even a whiteout that is a link must have a target (oci.md §4.1).
    const linked = entry.type === 'hardlink' ? this.#linkTarget(entry.target) : undefined
    if (name.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(parents, name)
      return
    }
    const { entries } = this.#makeParents(parents, entry.path)
    this.#count(textOf(entry, name))
    const own = ownName(name, entry.path)
    if (linked !== undefined) entries.set(own, linked)
    else if (entry.type === 'directory') putDirectory(entries, own, entry.stat)
    else if (entry.type === 'leaf') entries.set(own, leafOf(entry))
  }

  /** Memory is bounded by what an image can have, and not by what the headers of a layer can say. */
  #count(text: number): void {
    this.#text += text
    if (this.#text > MAX_TEXT) {
      throw formatError('layer', `names, symlink targets and xattrs of more than ${MAX_TEXT} bytes`)
    }
  }

  #whiteout(parents: ByteString[], name: ByteString): void {
    const directory = this.#findParents(parents)
    if (directory === undefined) return
    if (name === OPAQUE_MARKER) directory.entries.clear()
    else directory.entries.delete(name.slice(WHITEOUT_PREFIX.length))
  }

  /** The leaf that a hard link names. */
  #linkTarget(path: ByteString): Leaf {
    const { parents, name } = this.#split(path)
    if (name === undefined) throw formatError('layer', `invalid hard link target ${shown(path)}`)
    const node = this.#findParents(parents)?.entries.get(name)
    if (node === undefined) throw withContext(notExisting(name), `hard link to ${shown(path)}`)
    if (node.kind === 'directory') throw formatError('layer', `hard link to ${shown(path)}, which is a directory`)
    return node
  }

  #split(path: ByteString): ReturnType<typeof splitPath> {
    // The reference takes such names, but nothing can be looked up under them.
    if (!this.#parity && path.includes('\0')) throw formatError('layer', `NUL in the name ${shown(path)}`)
    return splitPath(path)
  }

  /** The directory that `names` lead to, with missing ones made; with parity nothing may be missing. */
  #makeParents(names: ByteString[], path: ByteString): Directory {
    if (this.#parity) return strictNames(this.root, names)
    return followNames(this.root, names, (parent, name) => {
      this.#count(name.length)
      return makeDirectory(parent, ownName(name, path))
    })
  }

  /** As `#makeParents`, but undefined where nothing is; with parity an error. */
  #findParents(names: ByteString[]): Directory | undefined {
    return this.#parity ? strictNames(this.root, names) : followNames(this.root, names, () => undefined)
  }
}
