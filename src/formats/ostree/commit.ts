/** Commit objects, `(a{sv}aya(say)sstayay)` (ostree.md §1.2). */
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { writeValue } from '../gvariant/write.js'
import { swap64 } from './byte-order.js'
import { ostreeIdFromBytes, ostreeIdToBytes, type OstreeId } from './ostree-id.js'

export interface Commit {
  /** Integers in its values are little-endian. */
  readonly metadata: Dictionary
  readonly parent?: OstreeId
  /** Always empty in practice. */
  readonly related: readonly (readonly [name: string, id: Uint8Array])[]
  readonly subject: string
  readonly body: string
  /** Seconds since 1970, unsigned 64 bit. */
  readonly timestamp: bigint
  /** Root directory: its entries and its metadata. */
  readonly tree: OstreeId
  readonly meta: OstreeId
}

/** Members of a serialised commit. */
export type CommitMembers = readonly [
  metadata: Dictionary,
  parent: Uint8Array,
  related: Commit['related'],
  subject: string,
  body: string,
  timestamp: bigint,
  tree: Uint8Array,
  meta: Uint8Array,
]

export const COMMIT_TYPE = '(a{sv}aya(say)sstayay)'
const commitType = parseType<CommitMembers>(COMMIT_TYPE)

/** @throws SluiceError `SLUICE_FORMAT`: malformed, or an id (that of a parent, too) of another length than 32 bytes. */
export function readCommit(bytes: Uint8Array): Commit {
  const [metadata, parent, related, subject, body, timestamp, tree, meta] = readValue(commitType, bytes)
  return {
    metadata,
    ...(parent.length === 0 ? {} : { parent: ostreeIdFromBytes(parent) }),
    related,
    subject,
    body,
    timestamp: swap64(timestamp),
    tree: ostreeIdFromBytes(tree),
    meta: ostreeIdFromBytes(meta),
  }
}

export function writeCommit(commit: Commit): Buffer {
  return writeValue(commitType, [
    commit.metadata,
    commit.parent === undefined ? new Uint8Array(0) : ostreeIdToBytes(commit.parent),
    commit.related,
    commit.subject,
    commit.body,
    swap64(commit.timestamp),
    ostreeIdToBytes(commit.tree),
    ostreeIdToBytes(commit.meta),
  ])
}
