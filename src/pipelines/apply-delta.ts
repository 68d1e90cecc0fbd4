/**
 * `apply-delta`: a static delta in files, and the commit that it is from, become a commit (ostree.md §3.7).
 *
 * superblock → signatures → base → parts → what the base has of the commit → file tree → EROFS images → commit stream.
 */
import type { Observable } from 'rxjs'
import { formatError, naming, SluiceError, withContext } from '../errors.js'
import { resultOf } from '../flow/result-of.js'
import type { Superblock } from '../formats/ostree/delta/superblock.js'
import type { Repository } from '../repository/repository.js'
import { noObjects } from '../stages/object/object-batch.js'
import { applyDeltaParts, deltaCommit, type AppliedDelta } from '../stages/ostree-delta/apply-delta.js'
import { openDeltaFile, type DeltaFile } from '../stages/ostree-delta/delta-file.js'
import { collectCommit, collectMetadata } from '../stages/ostree/collect-metadata.js'
import type { StoredCommit } from '../stages/ostree/stored-commit.js'
import { detachedSignatures } from '../stages/ostree-verify/detached-signatures.js'
import { requireSignatures, type TrustedKeys } from '../stages/ostree-verify/verify.js'
import type { SignatureVerdict } from '../stages/ostree-verify/verdict.js'
import { onRepository } from './on-repository.js'
import type { OstreePullEvent, OstreePullResult } from './ostree-events.js'
import { ensureImage, findStoredCommit, registerCommit } from './register-commit.js'

export interface ApplyDeltaOptions {
  /** Whose signatures the commit must have; the delta carries them. */
  readonly keys?: TrustedKeys
  /** Names of xattrs keep their zero byte in images (ostree.md §5.2). */
  readonly parity?: boolean
  readonly signal?: AbortSignal
}

/**
 * Applies the delta at `path`: a file with all of it, a superblock with its parts beside it, or their directory. No ref is
 * set. Subscribing starts it, unsubscribing cancels it; the last event is `completed`.
 */
export function applyDelta(
  repository: Repository,
  path: string,
  options: ApplyDeltaOptions = {},
): Observable<OstreePullEvent> {
  return onRepository<OstreePullEvent>(repository, options.signal, async (emit, signal) => {
    repository.ensureWritable()
    const started = performance.now()
    const delta = openDeltaFile(path)
    try {
      const result = await run({ repository, path, delta, options, emit, signal })
      emit({ type: 'completed', result: { ...result, elapsedMs: performance.now() - started } })
    } finally {
      delta.close()
    }
  })
}

/** The promise form of `applyDelta`. */
export async function applyDeltaFile(...args: Parameters<typeof applyDelta>): Promise<OstreePullResult> {
  return resultOf(applyDelta(...args), 'delta')
}

interface DeltaRun {
  readonly repository: Repository
  readonly path: string
  readonly delta: DeltaFile
  readonly options: ApplyDeltaOptions
  readonly emit: (event: OstreePullEvent) => void
  readonly signal: AbortSignal
}

async function run(pull: DeltaRun): Promise<Omit<OstreePullResult, 'elapsedMs'>> {
  const { repository, options, emit, signal } = pull
  const { superblock } = pull.delta
  const commit = superblock.to
  const registration = { parity: options.parity ?? false, signal }
  emit({ type: 'resolved', commit })
  if (options.keys !== undefined) emit({ type: 'verified', signatures: await validSignatures(pull, options.keys) })
  const stored = await findStoredCommit(repository, commit, signal)
  if (stored !== undefined) {
    const registered = await ensureImage(repository, stored, registration)
    const fetched = { metadata: 0, files: 0, deltaParts: 0 }
    return { commit, tag: undefined, ...registered, parents: [], objects: noObjects(), fetched }
  }
  const base = await findBase(repository, superblock, signal)
  const { objects, stats, metadata, files, parts } = await collect(pull, base)
  const registered = await registerCommit(repository, commit, objects, registration)
  const fetched = { metadata, files, deltaParts: parts }
  return { commit, tag: undefined, ...registered, parents: [], objects: stats, fetched }
}

async function validSignatures({ path, delta }: DeltaRun, keys: TrustedKeys): Promise<SignatureVerdict[]> {
  const { superblock } = delta
  try {
    const signatures = detachedSignatures(superblock.commitmeta ?? [])
    return await requireSignatures(`commit ${superblock.to}`, { data: deltaCommit(superblock), signatures, keys })
  } catch (error) {
    throw withContext(naming(error, path), 'cannot apply')
  }
}

async function collect(
  { repository, path, delta, signal }: DeltaRun,
  base: StoredCommit | undefined,
): Promise<AppliedDelta> {
  try {
    const applied = await applyDeltaParts(delta, base, repository.objects, signal)
    await takeRest(delta.superblock, applied, base, signal)
    return applied
  } catch (error) {
    throw withContext(naming(error, path), 'cannot apply')
  }
}

/** The commit that the delta is from; undefined if that is none. */
async function findBase(
  repository: Repository,
  { from, fallbacks }: Superblock,
  signal: AbortSignal,
): Promise<StoredCommit | undefined> {
  if (fallbacks.length > 0) {
    throw new SluiceError(
      'SLUICE_UNSUPPORTED',
      `cannot apply delta offline: contains ${fallbacks.length} fallback entries`,
      { hint: 'pull the commit from its repository' },
    )
  }
  if (from === undefined) return undefined
  const base = await findStoredCommit(repository, from, signal)
  if (base !== undefined) return base
  throw new SluiceError('SLUICE_NOT_FOUND', `base commit ${from} not found in repository`, {
    hint: 'pull or apply that commit first',
  })
}

/** Takes over from the base what the delta did not make of the commit. */
async function takeRest(
  { to }: Superblock,
  { objects }: AppliedDelta,
  base: StoredCommit | undefined,
  signal: AbortSignal,
): Promise<void> {
  const source = {
    metadata: async (type: string, id: string): Promise<Uint8Array> => {
      throw formatError('delta', `neither it nor its base has ${type} ${id}`)
    },
  }
  const walk = { source, objects, signal, onFetched: () => undefined }
  const missing = await collectMetadata(
    { ...walk, bases: base === undefined ? [] : [base] },
    await collectCommit(walk, to),
  )
  if (missing.length > 0) throw formatError('delta', `neither it nor its base has file ${missing[0]}`)
}
