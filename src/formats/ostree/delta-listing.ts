/** Lists of static deltas, in summaries and delta indexes (ostree.md §1.5). */
import { dictionaryType, lookupAs, readDictionary, valueOf } from '../gvariant/dictionary.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { formatError } from '../../errors.js'
import { parseDeltaName, type DeltaEnds } from './delta-path.js'
import { ostreeIdFromBytes } from './ostree-id.js'

export interface ListedDelta extends DeltaEnds {
  /** SHA-256 of its superblock file, hex. */
  readonly superblock: string
}

const bytesType = parseType<Uint8Array>('ay')

/** The deltas that the metadata of a summary, or a delta index, lists. @throws SluiceError `SLUICE_FORMAT` */
export function listedDeltas(metadata: Dictionary): ListedDelta[] {
  const listed = lookupAs(metadata, 'ostree.static-deltas', dictionaryType) ?? []
  return listed.map(([name, value]) => {
    const digest = valueOf(value, bytesType)
    if (digest === undefined) throw formatError('ostree', 'a listed delta has no digest')
    return { ...parseDeltaName(name), superblock: ostreeIdFromBytes(digest) }
  })
}

/** The deltas of a `….index` file, which lead to one commit. @throws SluiceError `SLUICE_FORMAT` */
export function readDeltaIndex(bytes: Uint8Array): ListedDelta[] {
  return listedDeltas(readDictionary(bytes))
}
