/** The objects of a commit by a static delta, as far as one helps (ostree.md §3.5). */
import { SluiceError } from '../errors.js'
import type { ListedDelta } from '../formats/ostree/delta-listing.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import type { Repository } from '../repository/repository.js'
import { applyDeltaParts, type AppliedDelta } from '../stages/ostree-delta/apply-delta.js'
import type { DeltaSource } from '../stages/ostree-delta/delta-source.js'
import type { StoredCommit } from '../stages/ostree/stored-commit.js'
import { findStoredCommit } from './register-commit.js'

export interface DeltaPull {
  readonly repository: Repository
  readonly deltas: DeltaSource
  readonly signal: AbortSignal
  /** Told why a delta is of no use. */
  readonly onRefused: (reason: string) => void
}

export interface DeltaObjects extends AppliedDelta {
  /** The commit that the delta is from, which has what the delta leaves out. */
  readonly base: StoredCommit | undefined
}

/** Failures that say something of the delta alone: the objects themselves may do. */
const ofDelta: ReadonlySet<string> = new Set([
  'SLUICE_NOT_FOUND',
  'SLUICE_DIGEST_MISMATCH',
  'SLUICE_SIZE_MISMATCH',
  'SLUICE_FORMAT',
  'SLUICE_COMPRESSION',
  'SLUICE_UNSUPPORTED',
  'SLUICE_CORRUPT',
  'SLUICE_NATIVE',
])

/**
 * Finds a delta to `commit`, from a stored commit if possible, else from nothing, and carries it out. Undefined if there is
 * none, or it is damaged or too large: then the commit is to be fetched object by object. Fallback objects, too, are yet to
 * be fetched.
 */
export async function pullDeltaObjects(pull: DeltaPull, commit: OstreeId): Promise<DeltaObjects | undefined> {
  const { repository, deltas, signal, onRefused } = pull
  try {
    const chosen = await findDelta(pull, commit)
    const delta = chosen && (await deltas.open(chosen.listed, signal))
    if (delta === undefined) return undefined
    const { base } = chosen!
    return { ...(await applyDeltaParts(delta, base, repository.objects, signal)), base }
  } catch (error) {
    if (!(error instanceof SluiceError) || !ofDelta.has(error.code)) throw error
    onRefused(error.message)
    return undefined
  }
}

interface ChosenDelta {
  readonly listed: ListedDelta
  readonly base: StoredCommit | undefined
}

/** The first delta to `commit` from one that is stored whole, else the first from nothing. */
export async function findDelta(
  { repository, deltas, signal }: Omit<DeltaPull, 'onRefused'>,
  commit: OstreeId,
): Promise<ChosenDelta | undefined> {
  const listed = await deltas.list(commit, signal)
  for (const delta of listed) {
    const base = delta.from && (await findStoredCommit(repository, delta.from, signal))
    if (base !== undefined) return { listed: delta, base }
  }
  const scratch = listed.find(({ from }) => from === undefined)
  return scratch && { listed: scratch, base: undefined }
}
