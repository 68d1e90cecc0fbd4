/** What a collection starts from (repository.md §5.1): the first-level entries that refs and the caller name. */
import { SluiceError } from '../../errors.js'
import { displayByteString, utf8ByteString, type ByteString } from '../../formats/bytes.js'
import { objectIdFromPath, type ObjectId } from '../../formats/digest.js'
import { listLinks, listRefs, requireNoBrokenLink, type LinkEntry } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'

export interface CategoryRoots {
  /** Every first-level entry and the object its link names. */
  readonly entries: ReadonlyMap<ByteString, ObjectId>
  /** The entries to keep, with all they refer to. */
  readonly roots: ReadonlyMap<ByteString, ObjectId>
  /** Path of each ref, relative to the repository, to the entry that it names. */
  readonly refs: ReadonlyMap<ByteString, ByteString>
}

/**
 * Reads a category and its refs.
 *
 * @param extraRoots first-level names to keep as well; those that do not exist mean nothing (§5.5).
 * @throws SluiceError `SLUICE_CORRUPT` for a dangling ref, for a link that names no object, for what is no link, and where all of
 *   them are elsewhere and not to be seen: what they were meant to keep is unknown.
 */
export function collectRoots(repository: Repository, category: Category, extraRoots: readonly string[]): CategoryRoots {
  for (const directory of [category, `${category}/refs`]) requireNoBrokenLink(repository.path, directory)
  // Refs first: of one that somebody makes meanwhile the entry is older.
  const listedRefs = listRefs(repository.path, category)
  const entries = new Map<ByteString, ObjectId>()
  for (const entry of listLinks(repository.path, category)) {
    const id = objectIdFromPath(repository.algorithm, targetOf(entry))
    if (id === undefined) throw corrupt(`${displayByteString(entry.path)} does not lead to an object`)
    entries.set(entry.name, id)
  }
  const roots = new Map<ByteString, ObjectId>()
  const refs = new Map<ByteString, ByteString>()
  for (const ref of listedRefs) {
    const name = targetOf(ref).slice(targetOf(ref).lastIndexOf('/') + 1)
    const id = entries.get(name)
    if (id === undefined) throw danglingRef(ref, category, name)
    roots.set(name, id)
    refs.set(ref.path, name)
  }
  for (const name of extraRoots.map(utf8ByteString)) {
    const id = entries.get(name)
    if (id !== undefined) roots.set(name, id)
  }
  return { entries, roots, refs }
}

function targetOf(entry: LinkEntry): ByteString {
  if (entry.target !== undefined) return entry.target
  throw corrupt(`${displayByteString(entry.path)} is not a symbolic link (${entry.fileType})`)
}

function danglingRef(ref: LinkEntry, category: Category, name: ByteString): SluiceError {
  const path = displayByteString(ref.path)
  return corrupt(`${path} points to ${category}/${displayByteString(name)}, which does not exist`, {
    hint: `remove ${path} if it is not wanted any more, or pull what it stands for again`,
  })
}

function corrupt(message: string, options?: { hint: string }): SluiceError {
  return new SluiceError('SLUICE_CORRUPT', message, options)
}
