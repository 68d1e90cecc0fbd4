/** Walks a tree once: checks it, makes its inodes and puts them in the order of the image (erofs.md §2, §3.6). */
import { compareByteStrings, type ByteString } from '../bytes.js'
import { formatError, type SluiceError } from '../../errors.js'
import { shown } from '../tree/path.js'
import {
  isWhiteout,
  newLeaf,
  noXattrs,
  sortedNames,
  type Directory,
  type Leaf,
  type Stat,
  type TreeNode,
} from '../tree/tree.js'
import { SELINUX, stubNames, type Dialect, type ErofsVersion } from './format.js'
import { Inode } from './inode.js'
import type { LeafHints } from './leaf-hints.js'
import { isOlder, type Mtime } from './mtime.js'
import { checkContent, checkName, checkStat } from './validate.js'

export interface SurveyOptions {
  readonly hints: LeafHints | undefined
  readonly dialect: Dialect
}

export interface Survey {
  /** In writing order, the root first; with the stubs in epoch 1. Directory entries are complete but for `.` and `..`. */
  readonly inodes: readonly Inode[]
  /** The whiteouts of the tree; in epoch 1 they are escaped. */
  readonly whiteouts: readonly Inode[]
  /** The smallest mtime of all inodes. */
  readonly oldest: Mtime
}

/** Surveys a tree. It is not changed: another version may be written from it later. */
export function surveyTree(root: Directory, version: ErofsVersion, { hints, dialect }: SurveyOptions): Survey {
  const walk = new DepthFirstWalk(root, version, dialect)
  walk.run()
  const { inodes, whiteouts, oldest } = walk
  for (const { nlink, name } of whiteouts) {
    if (nlink > 1) throw refusal(name, 'a whiteout (device 0:0) cannot be hard-linked')
  }
  if (version === 2) return { inodes, whiteouts, oldest }
  const rootInode = inodes[0]
  const stub = stubStat(rootInode.stat)
  const escaped = dialect === 'rust' ? whiteouts.filter((inode) => !isStub(inode, rootInode, stub)) : whiteouts
  addStubs(rootInode, stub)
  applyHints(walk.known, hints)
  return { inodes: breadthFirst(rootInode), whiteouts: escaped, oldest }
}

function refusal(name: ByteString, problem: string): SluiceError {
  return formatError('erofs', `cannot write ${shown(name)}: ${problem}`)
}

/** A directory of the walk, and what is left of it to visit. */
interface OpenDirectory {
  readonly inode: Inode
  readonly names: readonly ByteString[]
  readonly nodes: ReadonlyMap<ByteString, TreeNode>
  next: number
}

/**
 * Visits a directory before its children, at the place of its name; a leaf is made where its first name is met. That is
 * the order of epoch 2, and decides which name owns a leaf. The stack is a list: trees may be deeper than calls can be.
 */
class DepthFirstWalk {
  readonly inodes: Inode[] = []
  readonly whiteouts: Inode[] = []
  readonly known = new Map<TreeNode, Inode>()
  oldest: Mtime
  readonly #root: Directory
  readonly #version: ErofsVersion
  readonly #dialect: Dialect
  readonly #stack: OpenDirectory[] = []

  constructor(root: Directory, version: ErofsVersion, dialect: Dialect) {
    this.oldest = root.stat
    this.#root = root
    this.#version = version
    this.#dialect = dialect
  }

  run(): void {
    this.#enter(this.#root, '/')
    for (let open = this.#stack.at(-1); open !== undefined; open = this.#stack.at(-1)) {
      const name = open.names[open.next++]
      if (name === undefined) this.#stack.pop()
      else this.#visit(open.inode, name, open.nodes.get(name)!)
    }
  }

  #visit(parent: Inode, name: ByteString, node: TreeNode): void {
    checkName(name)
    if (node.kind === 'directory') parent.nlink++
    const inode = node.kind === 'directory' ? this.#enter(node, name, parent) : this.#meet(node, name, parent)
    parent.entries.push({ name, inode })
  }

  #enter(node: Directory, name: ByteString, parent?: Inode): Inode {
    if (this.known.has(node)) throw refusal(name, 'the directory has a second place')
    const inode = this.#add(node, name, parent)
    inode.nlink = 2
    this.#stack.push({ inode, names: sortedNames(node), nodes: node.entries, next: 0 })
    return inode
  }

  #meet(node: Leaf, name: ByteString, parent: Inode): Inode {
    let inode = this.known.get(node)
    if (inode === undefined) {
      checkContent(name, node.content, this.#version, this.#dialect)
      inode = this.#add(node, name, parent)
    }
    inode.nlink++
    return inode
  }

  #add(node: TreeNode, name: ByteString, parent?: Inode): Inode {
    checkStat(name, node.stat)
    const inode = new Inode(node, name, parent)
    this.known.set(node, inode)
    this.inodes.push(inode)
    if (isOlder(node.stat, this.oldest, this.#dialect)) this.oldest = node.stat
    if (isWhiteout(node)) this.whiteouts.push(inode)
    return inode
  }
}

/** Fills the root with whiteouts, so that the object directories of a data layer never shine through (erofs.md §5.7). */
function addStubs(root: Inode, stat: Stat): void {
  const taken = new Set(root.entries.map((entry) => entry.name))
  for (const name of stubNames) {
    if (taken.has(name)) continue
    const inode = new Inode(newLeaf(stat, { type: 'chr', rdev: 0 }), name, root)
    inode.nlink = 1
    root.entries.push({ name, inode })
  }
  root.entries.sort((a, b) => compareByteStrings(a.name, b.name))
}

function stubStat({ uid, gid, mtime, mtimeNsec, xattrs }: Stat): Stat {
  const label = xattrs.get(SELINUX)
  return {
    mode: 0o644,
    uid,
    gid,
    mtime,
    mtimeNsec,
    xattrs: label === undefined ? noXattrs : new Map([[SELINUX, label]]),
  }
}

/** The Rust writer takes a whiteout of the image that is just like a stub for one (erofs.md §5.7). */
function isStub({ parent, name, stat }: Inode, root: Inode, stub: Stat): boolean {
  const sameXattrs =
    stat.xattrs.size === stub.xattrs.size && [...stub.xattrs].every(([k, v]) => stat.xattrs.get(k) === v)
  return (
    parent === root &&
    stubNames.includes(name) &&
    sameXattrs &&
    (stat.mode & 0o7777) === stub.mode &&
    stat.uid === stub.uid &&
    stat.gid === stub.gid &&
    stat.mtime === stub.mtime &&
    stat.mtimeNsec === stub.mtimeNsec
  )
}

function applyHints(known: ReadonlyMap<TreeNode, Inode>, hints: LeafHints | undefined): void {
  for (const [leaf, hint] of hints ?? []) {
    const inode = known.get(leaf)
    const parent = known.get(hint.directory)
    if (inode === undefined || parent === undefined || hint.directory.entries.get(hint.name) !== leaf) {
      throw refusal(hint.name, 'a hint about a leaf that is not there')
    }
    inode.parent = parent
    inode.name = hint.name
    inode.nlink = hint.nlink
  }
}

/** Epoch 1 order: level by level; a leaf stands at the name that owns it, its other names add nothing. */
function breadthFirst(root: Inode): Inode[] {
  const inodes = [root]
  const directories = [root]
  for (const directory of directories) {
    for (const { name, inode } of directory.entries) {
      if (inode.isDirectory) directories.push(inode)
      else if (inode.parent !== directory || inode.name !== name) continue
      inodes.push(inode)
    }
  }
  return inodes
}
