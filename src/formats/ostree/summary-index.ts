/** `summary.idx`, which names the summaries of parts of a repository, `(a{s(ayaaya{sv})}a{sv})` (ostree.md §1.5). */
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { ostreeIdFromBytes } from './ostree-id.js'

export interface SubSummary {
  /** A machine architecture, for example. */
  readonly subset: string
  /** SHA-256 of the summary before compression, hex: it is `summaries/<digest>.gz`. */
  readonly digest: string
  /** Those that it followed. */
  readonly history: readonly Uint8Array[]
  readonly metadata: Dictionary
}

export interface SummaryIndex {
  readonly subsets: readonly SubSummary[]
  readonly metadata: Dictionary
}

type SubsetMembers = readonly [
  subset: string,
  about: readonly [digest: Uint8Array, history: readonly Uint8Array[], metadata: Dictionary],
]

const indexType =
  parseType<readonly [subsets: readonly SubsetMembers[], metadata: Dictionary]>('(a{s(ayaaya{sv})}a{sv})')

/** @throws SluiceError `SLUICE_FORMAT` */
export function readSummaryIndex(bytes: Uint8Array): SummaryIndex {
  const [subsets, metadata] = readValue(indexType, bytes)
  return {
    subsets: subsets.map(([subset, [digest, history, about]]) => ({
      subset,
      digest: ostreeIdFromBytes(digest),
      history,
      metadata: about,
    })),
    metadata,
  }
}
