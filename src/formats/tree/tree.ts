/**
 * The file tree of an image in memory (erofs.md §2).
 *
 * Directories own a map of names; two names that hold the same `Leaf` object are hard links. Iterate with
 * `sortedEntries`, which gives byte order.
 */
import type { ByteString } from '../bytes.js'
import type { ObjectId } from '../digest.js'

/** Type bits of st_mode. */
export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000

/** Metadata of an inode; inodes may share it. */
export interface Stat {
  /** As the source had it, type bits and all; writers mask it. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds, signed 64 bit. */
  readonly mtime: bigint
  /** 0..999,999,999. */
  readonly mtimeNsec: number
  /** Key to value, both bytes; keys are unique. */
  readonly xattrs: ReadonlyMap<ByteString, ByteString>
}

export const noXattrs: ReadonlyMap<ByteString, ByteString> = new Map()

/** What a non-directory is (erofs.md §2, storage forms of regular files). */
export type LeafContent =
  | { readonly type: 'inline'; readonly data: Uint8Array }
  | { readonly type: 'external'; readonly id: ObjectId; readonly size: number; readonly path?: ByteString }
  /** Backing path known, digest not recorded. */
  | { readonly type: 'external-no-verity'; readonly path: ByteString; readonly size: number }
  /** Digest and path unknown: only a size. */
  | { readonly type: 'sparse'; readonly size: number }
  /** `rdev` is the st_rdev number, u32; headers of a tar can state more, where a number is not always exact. */
  | { readonly type: 'chr' | 'blk'; readonly rdev: number | bigint }
  | { readonly type: 'fifo' }
  | { readonly type: 'sock' }
  | { readonly type: 'symlink'; readonly target: ByteString }

export interface Leaf {
  readonly kind: 'leaf'
  stat: Stat
  content: LeafContent
}

export interface Directory {
  readonly kind: 'directory'
  stat: Stat
  readonly entries: Map<ByteString, TreeNode>
}

export type TreeNode = Directory | Leaf

/** Whether a node hides what lies below its name in overlayfs: a character device 0:0. */
export function isWhiteout(node: TreeNode): boolean {
  return node.kind === 'leaf' && node.content.type === 'chr' && node.content.rdev === 0
}

export function newDirectory(stat: Stat): Directory {
  return { kind: 'directory', stat, entries: new Map() }
}

export function newLeaf(stat: Stat, content: LeafContent): Leaf {
  return { kind: 'leaf', stat, content }
}

/** The names in a directory in byte order. */
export function sortedNames({ entries }: Directory): ByteString[] {
  // Without a function to compare with, sort() compares code units, which are bytes here, and takes half the time.
  return [...entries.keys()].sort()
}

/** The entries of a directory in byte order of their names. */
export function sortedEntries(directory: Directory): [ByteString, TreeNode][] {
  return sortedNames(directory).map((name) => [name, directory.entries.get(name)!])
}

/** Type bits of a node. */
export function typeBits(node: TreeNode): number {
  if (node.kind === 'directory') return S_IFDIR
  switch (node.content.type) {
    case 'inline':
    case 'external':
    case 'external-no-verity':
    case 'sparse':
      return S_IFREG
    case 'chr':
      return S_IFCHR
    case 'blk':
      return S_IFBLK
    case 'fifo':
      return S_IFIFO
    case 'sock':
      return S_IFSOCK
    case 'symlink':
      return S_IFLNK
  }
}
