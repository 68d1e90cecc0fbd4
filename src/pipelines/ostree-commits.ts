/** The commits of a repository by name: list, find, inspect, tag, untag (ostree.md §4.5, §6). */
import { SluiceError } from '../errors.js'
import { readCommit, type Commit } from '../formats/ostree/commit.js'
import { hashMetadata, isOstreeId, type OstreeId } from '../formats/ostree/ostree-id.js'
import {
  checkKeptRefName,
  commitOfStreamName,
  commitStreamName,
  refOfStreamRefName,
  streamRefName,
} from '../formats/ostree/ref-name.js'
import { variantText } from '../formats/ostree/variant-text.js'
import type { Repository } from '../repository/repository.js'
import { readStoredCommit, type StoredCommit } from '../stages/ostree/stored-commit.js'

/** A row of `ostree images`. */
export interface OstreeImageSummary {
  readonly name: string
  readonly commit: OstreeId
}

export interface OstreeCommitDetails {
  readonly commit: OstreeId
  readonly parent: OstreeId | undefined
  /** Seconds since 1970. */
  readonly timestamp: bigint
  /** Root directory: its entries and its metadata. */
  readonly tree: OstreeId
  readonly dirmeta: OstreeId
  readonly subject: string
  readonly body: string
  /** In stored order; names may occur twice. */
  readonly metadata: readonly { readonly name: string; readonly text: string }[]
}

/** The refs by name. A ref that leads to something else than a commit is left out. */
export function listOstreeImages(repository: Repository): OstreeImageSummary[] {
  const images: OstreeImageSummary[] = []
  for (const ref of repository.streams.refs('ostree')) {
    const name = refOfStreamRefName(ref.name)
    const commit = commitOfStreamName(ref.entry)
    if (name !== undefined && commit !== undefined) images.push({ name, commit })
  }
  return images.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The commit that the ref `name` points to; undefined if there is no such ref. */
function commitOfRef(repository: Repository, name: string): OstreeId | undefined {
  const entry = isRefName(name) ? repository.streams.refEntry(streamRefName(name)) : undefined
  if (entry === undefined) return undefined
  const commit = commitOfStreamName(entry)
  if (commit === undefined || repository.streams.objectOf(entry) === undefined) {
    throw new SluiceError('SLUICE_CORRUPT', `ref '${name}' points to missing stream '${entry}'`)
  }
  return commit
}

/** A name that could be no ref is looked for as an id only. */
function isRefName(name: string): boolean {
  try {
    checkKeptRefName(name)
    return true
  } catch {
    return false
  }
}

/**
 * Finds a commit by a ref, by its id, or by the beginning of its id in lower case (ostree.md §6).
 *
 * @throws SluiceError `SLUICE_NOT_FOUND`; `SLUICE_USAGE` if several commits begin so; `SLUICE_CORRUPT` for a dangling ref.
 */
export function resolveOstreeCommit(repository: Repository, source: string): OstreeId {
  const tagged = commitOfRef(repository, source)
  if (tagged !== undefined) return tagged
  if (!/^[0-9a-fA-F]{1,64}$/.test(source)) {
    throw notFound(`'${source}' is not a known ostree ref or valid commit ID`)
  }
  const commits = repository.streams
    .entries()
    .map((entry) => commitOfStreamName(entry.name))
    .filter((commit) => commit !== undefined && commit.startsWith(source))
  if (commits.length > 1) throw new SluiceError('SLUICE_USAGE', `ambiguous commit ID prefix '${source}'`)
  if (commits.length === 1) return commits[0]!
  throw notFound(
    isOstreeId(source)
      ? `ostree commit ${source} not found in repository`
      : `ostree commit prefix '${source}' not found in repository`,
  )
}

function notFound(message: string): SluiceError {
  return new SluiceError('SLUICE_NOT_FOUND', message, {
    hint: '"sluice ostree images" lists the commits of this repository that have a name',
  })
}

/**
 * Reads the commit that `source` means.
 *
 * @throws SluiceError as `resolveOstreeCommit`; `SLUICE_CORRUPT` if its stream holds another, or is damaged.
 */
export async function openOstreeCommit(repository: Repository, source: string): Promise<StoredCommit> {
  const id = resolveOstreeCommit(repository, source)
  const stored = await readStoredCommit(repository, commitStreamName(id))
  if (stored.commit === id) return stored
  throw new SluiceError('SLUICE_CORRUPT', `stream ${commitStreamName(id)} holds commit ${stored.commit}`)
}

/** The commit object of a stored commit, checked against its id. */
export function storedCommitObject({ commit, payload }: StoredCommit): Commit {
  const bytes = payload.data(commit)
  if (bytes !== undefined && hashMetadata(bytes) === commit) return readCommit(bytes)
  throw new SluiceError('SLUICE_CORRUPT', `stream ${commitStreamName(commit)} holds something else than its name says`)
}

export async function inspectOstreeCommit(repository: Repository, source: string): Promise<OstreeCommitDetails> {
  const stored = await openOstreeCommit(repository, source)
  const { parent, timestamp, tree, meta, subject, body, metadata } = storedCommitObject(stored)
  const texts = metadata.map(([name, value]) => ({ name, text: variantText(value) }))
  return { commit: stored.commit, parent, timestamp, tree, dirmeta: meta, subject, body, metadata: texts }
}

/** Makes the ref `name` point to the commit that `source` means, whatever it was before, once no collection is under way. */
export async function tagOstreeCommit(repository: Repository, source: string, name: string): Promise<OstreeId> {
  checkKeptRefName(name)
  repository.ensureWritable()
  return repository.during(() => {
    const commit = resolveOstreeCommit(repository, source)
    repository.streams.linkRef(streamRefName(name), commitStreamName(commit))
    return commit
  })
}

/** @throws SluiceError `SLUICE_NOT_FOUND` if there is no such ref. */
export function untagOstreeCommit(repository: Repository, name: string): void {
  repository.ensureWritable()
  if (!isRefName(name) || !repository.streams.unlinkRef(streamRefName(name))) {
    throw new SluiceError('SLUICE_NOT_FOUND', `Failed to remove tag ${name}: there is none of that name`)
  }
}
