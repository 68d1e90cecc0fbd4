/** The refs of an ostree repository, at a URL or in a directory (ostree.md §6, `list-refs`). */
import { setMaxListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, formatError, ioError, SluiceError } from '../errors.js'
import { isOstreeId, parseOstreeId, type OstreeId } from '../formats/ostree/ostree-id.js'
import type { SummaryRef } from '../formats/ostree/summary.js'
import type { Repository } from '../repository/repository.js'
import { readRefFile } from '../stages/ostree/local-refs.js'
import { openLocalRepository } from '../stages/ostree/local-repository.js'
import { openRemoteOstree, type RemoteOptions } from '../stages/ostree/remote-source.js'

export interface OstreeRef {
  readonly name: string
  readonly commit: OstreeId
}

export type ListRefsOptions = RemoteOptions & { readonly signal?: AbortSignal }

/**
 * Over HTTP what the summary says, in its order; of a directory the files of its refs, sorted, those below `refs/heads` by
 * their short names.
 *
 * @param repository keeps the summary for the next time.
 * @throws SluiceError `SLUICE_NOT_FOUND` if the server has no summary, or the directory no repository; `SLUICE_POLICY` if
 * the summary must be signed and is not.
 */
export async function listOstreeRefs(
  repository: Repository,
  location: string,
  { signal = new AbortController().signal, ...options }: ListRefsOptions = {},
): Promise<OstreeRef[]> {
  // Many servers may be asked under one signal.
  setMaxListeners(0, signal)
  if (!/^(mirrorlist=)?https?:\/\//i.test(location)) {
    if (options.summaryKeys === undefined) return listLocalRefs(openLocalRepository(location).path)
    throw new SluiceError('SLUICE_USAGE', 'refs of a directory cannot be verified: they are in files that nobody signs')
  }
  repository.ensureWritable()
  const source = openRemoteOstree(repository, location, options)
  try {
    const summary = await source.summary(signal)
    if (summary !== undefined) return summary.refs.map(listedRef)
    throw new SluiceError('SLUICE_NOT_FOUND', 'no summary available from remote', {
      hint: 'only the summary lists refs; a ref that you know can be pulled without one',
    })
  } finally {
    await source.close()
  }
}

/** A list without it would not be the one of the summary. */
function listedRef({ name, commit }: SummaryRef): OstreeRef {
  if (isOstreeId(commit)) return { name, commit: parseOstreeId(commit) }
  throw formatError('summary', `the ref ${JSON.stringify(name.slice(0, 200))} has no commit id`)
}

function listLocalRefs(path: string): OstreeRef[] {
  const root = join(path, 'refs')
  return filesBelow(root, '')
    .map((name) => {
      return { name: name.replace(/^heads\//, ''), commit: readRef(join(root, name)) }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readRef(file: string): OstreeId {
  try {
    return readRefFile(file)
  } catch (error) {
    // An alias is a link, and what it names may be gone.
    throw ioError(error, `cannot read the ref ${file}`)
  }
}

/** What libostree takes for a part of a ref: beside refs there may be other files. */
const REF_PART = /^[\p{L}\p{N}_][-.\p{L}\p{N}_]*$/u

function filesBelow(root: string, directory: string): string[] {
  try {
    return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
      if (!REF_PART.test(entry.name)) return []
      const path = join(directory, entry.name)
      return entry.isDirectory() ? filesBelow(root, path) : [path]
    })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError(error, `cannot list ${join(root, directory)}`)
  }
}
