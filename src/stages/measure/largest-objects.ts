/** The objects that take the most. */
import type { ObjectId } from '../../formats/digest.js'
import type { Repository } from '../../repository/repository.js'
import type { DigestTable } from '../walk/digest-table.js'
import { findFilePaths } from './file-paths.js'
import type { Holder } from './holders.js'
import type { ObjectKind, Shares } from './shares.js'

export interface LargeObject {
  readonly id: ObjectId
  readonly bytes: number
  readonly kind: ObjectKind
  /** One that needs it. */
  readonly holder: Holder | undefined
  /** Of a file that has this content in an image of that holder, if there is one that tells. */
  readonly path: string | undefined
}

/** The largest objects first; of equal size, in the order of their ids. @param count of them, at most. */
export function findLargestObjects(
  repository: Repository,
  holders: readonly Holder[],
  shares: Shares,
  table: DigestTable,
  sizes: readonly number[],
  count: number,
): LargeObject[] {
  const largest = numbersOfLargest(sizes, count).map((object) => {
    const at = shares.holderOf(object)
    return {
      id: table.at(object),
      bytes: sizes[object],
      kind: shares.kindOf(object),
      holder: at === undefined ? undefined : holders[at],
    }
  })
  const paths = new Map<ObjectId, string>()
  for (const holder of new Set(largest.map((object) => object.holder))) {
    if (holder === undefined) continue
    const files = largest.filter((object) => object.holder === holder && object.kind === 'file').map(({ id }) => id)
    const images = holder.image === undefined ? holder.namedImages : [holder.image.id]
    if (files.length === 0) continue
    for (const [id, path] of findFilePaths(repository, images, new Set(files))) paths.set(id, path)
  }
  return largest
    .map((object) => ({ ...object, path: paths.get(object.id) }))
    .sort((a, b) => b.bytes - a.bytes || (a.id < b.id ? -1 : 1))
}

/** Sorts candidates only, not a million of sizes. */
function numbersOfLargest(sizes: readonly number[], count: number): number[] {
  let largest: number[] = []
  let least = 0
  const cut = () => {
    largest = largest.sort((a, b) => sizes[b] - sizes[a]).slice(0, count)
    if (largest.length === count) least = sizes[largest[count - 1]]
  }
  for (const [object, size] of sizes.entries()) {
    if (size < least) continue
    largest.push(object)
    if (largest.length >= 2 * count) cut()
  }
  cut()
  return largest
}
