/** The links of a category, as a repair sees them. */
import { errnoOf } from '../../errors.js'
import type { ByteString } from '../../formats/bytes.js'
import { objectIdFromPath, type ObjectId } from '../../formats/digest.js'
import { followLink, listLinks, listRefs, type LinkEntry } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'

export interface CategoryLinks {
  /** Of the first level, but those of which cannot be told where they lead. */
  readonly entries: readonly LinkedEntry[]
  /** Of all that lies on the first level. */
  readonly names: ReadonlySet<ByteString>
  readonly refs: readonly LinkEntry[]
  /** What is no link, of both. */
  readonly others: readonly ByteString[]
}

interface LinkedEntry {
  readonly path: ByteString
  readonly name: ByteString
  /** Undefined if it leads to nothing, or to what cannot be an object. */
  readonly id: ObjectId | undefined
}

export function readLinks(repository: Repository, category: Category): CategoryLinks {
  const entries = listLinks(repository.path, category)
  const refs = listRefs(repository.path, category)
  return {
    entries: entries.filter(isLink).flatMap((entry) => linkedEntries(repository, entry)),
    names: new Set(entries.map(({ name }) => name)),
    refs: refs.filter(isLink),
    others: [...entries, ...refs].filter((entry) => !isLink(entry)).map(({ path }) => path),
  }
}

const isLink = ({ target }: LinkEntry): boolean => target !== undefined

function linkedEntries(repository: Repository, entry: LinkEntry): LinkedEntry[] {
  const { name, path, target = '' } = entry
  const end = endOf(repository, entry)
  if (end === 'unknown') return []
  return [{ name, path, id: end === 'file' ? objectIdFromPath(repository.algorithm, target) : undefined }]
}

/** The objects that the first level leads to. */
export function linkedObjects({ entries }: Pick<CategoryLinks, 'entries'>): Set<ObjectId> {
  return new Set(entries.map(({ id }) => id).filter((id) => id !== undefined))
}

/**
 * Links that lead to nothing, or to what is incomplete: entries, then refs. A ref that names no entry stops every collection,
 * also if it leads to an object or out of the repository (repository.md §5.1).
 */
export function deadLinks(
  repository: Repository,
  { entries, names, refs }: CategoryLinks,
  incomplete: ReadonlySet<ObjectId>,
): ByteString[] {
  const isDead = ({ id }: LinkedEntry) => id === undefined || incomplete.has(id)
  const deadEntries = entries.filter(isDead)
  const deadNames = new Set(deadEntries.map(({ name }) => name))
  const entryOf = ({ target = '' }: LinkEntry) => target.slice(target.lastIndexOf('/') + 1)
  const namesNothing = (ref: LinkEntry) => !names.has(entryOf(ref)) || deadNames.has(entryOf(ref))
  const isDeadRef = (ref: LinkEntry) => namesNothing(ref) || endOf(repository, ref) === 'nothing'
  return [...deadEntries, ...refs.filter(isDeadRef)].map(({ path }) => path)
}

const nowhere = new Set(['ELOOP', 'ENOTDIR', 'ENAMETOOLONG'])

/** What a link leads to; `unknown` if that cannot be told. */
function endOf({ path: root }: Repository, { path }: LinkEntry): 'file' | 'other' | 'nothing' | 'unknown' {
  try {
    const stats = followLink(root, path)
    if (stats === undefined) return 'nothing'
    return stats.isFile() ? 'file' : 'other'
  } catch (error) {
    return nowhere.has(errnoOf(error) ?? '') ? 'nothing' : 'unknown'
  }
}
