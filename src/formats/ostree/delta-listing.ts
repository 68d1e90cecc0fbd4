/** Lists of static deltas, in summaries and delta indexes (ostree.md §1.5). */
import { dictionaryType, lookupAs, readDictionary, valueOf } from '../gvariant/dictionary.js'
import { parseType } from '../gvariant/type.js'
import type { Dictionary } from '../gvariant/value.js'
import { parseDeltaName, type DeltaEnds } from './delta-path.js'
import { ID_LENGTH, ostreeIdFromBytes } from './ostree-id.js'

export interface ListedDelta extends DeltaEnds {
  /** SHA-256 of its superblock file, hex; undefined if that is not what is listed, and then no file will do. */
  readonly superblock: string | undefined
}

const bytesType = parseType<Uint8Array>('ay')

/**
 * The deltas that the metadata of a summary, or a delta index, lists. An entry that cannot be read is of no use, but hides no
 * other one.
 *
 * @throws SluiceError `SLUICE_FORMAT`: there is something else in the place of the list.
 */
export function listedDeltas(metadata: Dictionary): ListedDelta[] {
  const listed = lookupAs(metadata, 'ostree.static-deltas', dictionaryType) ?? []
  return listed.flatMap(([name, value]) => {
    const ends = parseDeltaName(name)
    if (ends === undefined) return []
    const digest = valueOf(value, bytesType)
    return [{ ...ends, superblock: digest?.length === ID_LENGTH ? ostreeIdFromBytes(digest) : undefined }]
  })
}

/** The deltas of a `….index` file, which lead to one commit. @throws SluiceError `SLUICE_FORMAT` */
export function readDeltaIndex(bytes: Uint8Array): ListedDelta[] {
  return listedDeltas(readDictionary(bytes))
}
