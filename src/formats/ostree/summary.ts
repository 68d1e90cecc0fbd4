/** The summary of a repository, `(a(s(taya{sv}))a{sv})` (ostree.md §1.5). */
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { writeValue } from '../gvariant/write.js'
import { ostreeIdFromBytes, ostreeIdToBytes, type OstreeId } from './ostree-id.js'

export interface SummaryRef {
  readonly name: string
  readonly commit: OstreeId
  /** Bytes of the commit object. */
  readonly size: bigint
  readonly metadata: Dictionary
}

export interface Summary {
  /** In stored order, by name where libostree wrote it. */
  readonly refs: readonly SummaryRef[]
  readonly metadata: Dictionary
}

type RefMembers = readonly [name: string, target: readonly [size: bigint, commit: Uint8Array, metadata: Dictionary]]

const summaryType = parseType<readonly [refs: readonly RefMembers[], metadata: Dictionary]>('(a(s(taya{sv}))a{sv})')

/** @throws SluiceError `SLUICE_FORMAT` */
export function readSummary(bytes: Uint8Array): Summary {
  const [refs, metadata] = readValue(summaryType, bytes)
  return {
    refs: refs.map(([name, [size, commit, about]]) => ({
      name,
      commit: ostreeIdFromBytes(commit),
      size,
      metadata: about,
    })),
    metadata,
  }
}

export function writeSummary({ refs, metadata }: Summary): Buffer {
  const entries = refs.map(
    ({ name, commit, size, metadata: about }) => [name, [size, ostreeIdToBytes(commit), about]] as const,
  )
  return writeValue(summaryType, [entries, metadata])
}

/** The commit of a ref: the first of that name. */
export function findInSummary({ refs }: Summary, name: string): OstreeId | undefined {
  return refs.find((ref) => ref.name === name)?.commit
}
