/** The summary of a repository, `(a(s(taya{sv}))a{sv})` (ostree.md §1.5). */
import { asBuffer } from '../bytes.js'
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { isOstreeId, parseOstreeId, type OstreeId } from './ostree-id.js'

export interface SummaryRef {
  readonly name: string
  /** The id of the commit, in hex; what is none is of no use, but says nothing of other refs. */
  readonly commit: string
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
      commit: asBuffer(commit).toString('hex'),
      size,
      metadata: about,
    })),
    metadata,
  }
}

/** The commit of a ref: the first of that name, if that has one. */
export function findInSummary({ refs }: Summary, name: string): OstreeId | undefined {
  const commit = refs.find((ref) => ref.name === name)?.commit
  return commit !== undefined && isOstreeId(commit) ? parseOstreeId(commit) : undefined
}
