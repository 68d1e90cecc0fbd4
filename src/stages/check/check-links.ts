/** The links of a category: first-level entries with what they lead to, then refs (repository.md §6). */
import type { Stats } from 'node:fs'
import { displayByteString } from '../../formats/bytes.js'
import { objectIdFromPath, type ObjectId } from '../../formats/digest.js'
import type { Breather } from '../../flow/breather.js'
import { followLink, isLinkThere, listLinks, listRefs, type LinkEntry } from '../../repository/link-listing.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import { reasonOf, type Findings } from './findings.js'

/**
 * Checks what an entry leads to.
 *
 * @param path the entry, as error lines have it.
 * @param id undefined if the link's text names no object, `no file` if it leads to a directory, say.
 */
export type ContentCheck = (path: string, id: ObjectId | 'no file' | undefined, findings: Findings) => Promise<void>

/** Checks the first-level entries. @param onEntry called after each. */
export async function checkEntries(
  repository: Repository,
  category: Category,
  checkContent: ContentCheck,
  findings: Findings,
  breather: Breather,
  onEntry: (done: number, total: number) => void,
): Promise<void> {
  const entries = listLinks(repository.path, category)
  for (const entry of entries) {
    await breather.breathe()
    await checkEntry(repository, entry, checkContent, findings)
    onEntry(++findings.checked, entries.length)
  }
}

/** Checks that refs lead somewhere; not where. */
export async function checkRefs(
  repository: Repository,
  category: Category,
  findings: Findings,
  breather: Breather,
  onRef: (done: number, total: number) => void,
): Promise<void> {
  const refs = listRefs(repository.path, category)
  for (const [i, ref] of refs.entries()) {
    await breather.breathe()
    const path = displayByteString(ref.path)
    if (ref.target === undefined) findings.error('unexpected-file-type', path, ref.fileType)
    else follow(repository, ref, findings)
    onRef(i + 1, refs.length)
  }
}

async function checkEntry(
  repository: Repository,
  entry: LinkEntry,
  checkContent: ContentCheck,
  findings: Findings,
): Promise<void> {
  const path = displayByteString(entry.path)
  if (entry.target === undefined) {
    findings.corrupted++
    findings.error('entry-not-symlink', path)
    return
  }
  const end = follow(repository, entry, findings)
  if (end === 'broken') findings.corrupted++
  if (typeof end === 'string') return
  const id = objectIdFromPath(repository.algorithm, entry.target)
  await checkContent(path, end.isFile() ? id : 'no file', findings)
}

/** What a link leads to; anything else has been reported, or the link is gone. */
function follow(repository: Repository, { path }: LinkEntry, findings: Findings): Stats | 'broken' | 'unknown' {
  try {
    const stats = followLink(repository.path, path)
    if (stats !== undefined) return stats
    // A tag may be removed while this goes on.
    if (!isLinkThere(repository.path, path)) return 'unknown'
    findings.brokenLinks++
    findings.error('broken-symlink', displayByteString(path))
    return 'broken'
  } catch (error) {
    findings.error('stat-failed', displayByteString(path), reasonOf(error))
    return 'unknown'
  }
}
