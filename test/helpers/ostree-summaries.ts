/** Writes what ostree servers have and Sluice only reads (ostree.md §1.5). */
import { parseType } from '../../src/formats/gvariant/type.js'
import { writeValue } from '../../src/formats/gvariant/write.js'
import type { SummaryIndex } from '../../src/formats/ostree/summary-index.js'
import type { Summary } from '../../src/formats/ostree/summary.js'

export function writeSummary({ refs, metadata }: Summary): Buffer {
  const entries = refs.map(
    ({ name, commit, size, metadata: about }) => [name, [size, Buffer.from(commit, 'hex'), about]] as const,
  )
  return writeValue(parseType('(a(s(taya{sv}))a{sv})'), [entries, metadata])
}

export function writeSummaryIndex({ subsets, metadata }: SummaryIndex): Buffer {
  const entries = subsets.map(
    ({ subset, digest, history, metadata: about }) => [subset, [Buffer.from(digest, 'hex'), history, about]] as const,
  )
  return writeValue(parseType('(a{s(ayaaya{sv})}a{sv})'), [entries, metadata])
}
