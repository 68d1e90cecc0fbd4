/** Where static deltas are: paths below the repository, with ids in modified base64 (ostree.md §1.7). */
import { isOstreeId, ostreeIdToBytes, parseOstreeId, type OstreeId } from './ostree-id.js'

/** The commits that a delta leads from and to; from nothing if it has no `from`. */
export interface DeltaEnds {
  readonly from?: OstreeId
  readonly to: OstreeId
}

/** Standard base64 with `_` for `/`, without padding: 43 characters. */
function modifiedBase64(id: OstreeId): string {
  return ostreeIdToBytes(id).toString('base64').replaceAll('/', '_').replace('=', '')
}

const split = (encoded: string): string => `${encoded.slice(0, 2)}/${encoded.slice(2)}`

/** `deltas/…`, the directory of a delta: `superblock` and the parts `0`, `1`, … are in it. Also the prefix of keys in superblocks. */
export function deltaDirectory({ from, to }: DeltaEnds): string {
  return from === undefined
    ? `deltas/${split(modifiedBase64(to))}`
    : `deltas/${split(`${modifiedBase64(from)}-${modifiedBase64(to)}`)}`
}

export function superblockPath(ends: DeltaEnds): string {
  return `${deltaDirectory(ends)}/superblock`
}

/** The list of the deltas that lead to a commit. */
export function deltaIndexPath(to: OstreeId): string {
  return `delta-indexes/${split(modifiedBase64(to))}.index`
}

/** A delta's name in summaries and indexes, `<to>` or `<from>-<to>` in hex; undefined if `name` is none. */
export function parseDeltaName(name: string): DeltaEnds | undefined {
  const ends = name.split('-')
  if (ends.length > 2 || !ends.every(isOstreeId)) return undefined
  const [first, second] = ends.map(parseOstreeId)
  return second === undefined ? { to: first } : { from: first, to: second }
}
