/** What a dumpfile says about leaves beyond the tree (erofs.md §11: rules of the C tool). */
import type { ByteString } from '../bytes.js'
import type { Directory, Leaf } from '../tree/tree.js'

export interface LeafHint {
  /** Printed link count, u32; without it the names are counted. */
  readonly nlink: number
  /** The name whose place the inode takes; without it the first one of a depth-first walk in byte order. */
  readonly directory: Directory
  readonly name: ByteString
}

/** Only leaves that differ from what the tree alone would give. */
export type LeafHints = ReadonlyMap<Leaf, LeafHint>
