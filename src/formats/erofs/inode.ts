/** An inode on its way into an image. */
import type { ByteString } from '../bytes.js'
import { S_IFDIR, S_IFREG, typeBits, type Directory, type Leaf, type LeafContent, type Stat } from '../tree/tree.js'
import { COMPACT_SIZE, EXTENDED_SIZE, FLAT_PLAIN } from './format.js'
import type { Xattr } from './xattr.js'

export interface DirectoryEntry {
  readonly name: ByteString
  readonly inode: Inode
}

/** Stands for all the lists that stay empty: large images are mostly leaves without xattrs. */
const none: never[] = []

export class Inode {
  readonly stat: Stat
  /** Undefined for directories. */
  content: LeafContent | undefined
  /** Type bits of st_mode. */
  type: number
  nlink = 0

  /** The directory and name in whose place the inode is written; the root has itself as parent. */
  parent: Inode
  name: ByteString

  /** Directories: all names in byte order, at last with `.` and `..`. */
  entries: DirectoryEntry[] = none
  /** Directories: indexes of the entries that begin a group; every group but an inline last one fills a block. */
  groups: readonly number[] = none

  /** In the order in which they are written; replaced, never changed in place, as most inodes have none. */
  xattrs: readonly Xattr[] = none
  /** How many of the shared ones among them are written as references; further ones are written as if local. */
  sharedCount = 0
  xattrAreaSize = 0

  extended = false
  layout = FLAT_PLAIN
  /** i_size, 0..2^53. */
  size = 0
  /** Whole data blocks, and bytes stored directly behind the xattr area. */
  blocks = 0
  tail = 0
  /** Chunk table entries (4 bytes each) instead of data. */
  chunks = 0
  chunkFormat = 0
  /** Byte offset of the inode, and number of its first data block. */
  position = 0
  firstBlock = 0

  constructor(node: Directory | Leaf, name: ByteString, parent?: Inode) {
    this.stat = node.stat
    this.content = node.kind === 'leaf' ? node.content : undefined
    this.type = typeBits(node)
    this.name = name
    this.parent = parent ?? this
    if (node.kind === 'directory') this.entries = []
  }

  get isDirectory(): boolean {
    return this.type === S_IFDIR
  }

  /** An external file of at least one byte: one with overlay xattrs and no data (erofs.md §5.3). */
  get isExternal(): boolean {
    const { content } = this
    return (
      (content?.type === 'external' || content?.type === 'external-no-verity' || content?.type === 'sparse') &&
      content.size > 0
    )
  }

  /** Turns a user's whiteout into the empty regular file that stands for it (erofs.md §5.7). */
  escapeWhiteout(): void {
    this.type = S_IFREG
    this.content = { type: 'inline', data: new Uint8Array(0) }
  }

  /** Where the tail goes. */
  get tailPosition(): number {
    return this.position + (this.extended ? EXTENDED_SIZE : COMPACT_SIZE) + this.xattrAreaSize
  }
}
