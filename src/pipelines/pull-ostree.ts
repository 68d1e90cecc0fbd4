/**
 * `pull-ostree`: a commit from a source into a repository (ostree.md §3).
 *
 * resolve → commit → directories → files → file tree → EROFS images → commit stream → ref → parents. Nothing is
 * registered before all of it is stored; objects of a run that did not get so far are found by the next one.
 */
import type { Observable } from 'rxjs'
import { naming, withContext } from '../errors.js'
import { ObjectCollection } from '../formats/ostree/object-collection.js'
import { isOstreeId, parseOstreeId, type OstreeId } from '../formats/ostree/ostree-id.js'
import { checkKeptRefName, checkRefName, commitStreamName, streamRefName } from '../formats/ostree/ref-name.js'
import { resultOf } from '../flow/result-of.js'
import { defaults } from '../options.js'
import type { Repository } from '../repository/repository.js'
import { addStats, noObjects, type ObjectStats } from '../stages/object/object-batch.js'
import { collectCommit, collectMetadata } from '../stages/ostree/collect-metadata.js'
import { PullJournal } from '../stages/ostree/pull-journal.js'
import { saysAbsent } from '../stages/ostree/remote-client.js'
import type { OstreeSource } from '../stages/ostree/source.js'
import { readStoredCommit, type StoredCommit } from '../stages/ostree/stored-commit.js'
import { openEngine, type OpenEngine } from '../workers/open-engine.js'
import { findDelta, pullDeltaObjects, type DeltaObjects } from './delta-objects.js'
import { onRepository } from './on-repository.js'
import type { OstreePullEvent, OstreePullOptions, OstreePullResult } from './ostree-events.js'
import { pullParents } from './pull-parents.js'
import { requireTrustedCommit } from './require-trusted-commit.js'
import { ensureImage, findStoredCommit, isWhole, registerCommit, type RegisteredCommit } from './register-commit.js'

/** One pull, and what is counted on the way. */
interface OstreeRun {
  readonly repository: Repository
  readonly source: OstreeSource
  readonly options: OstreePullOptions
  readonly emit: (event: OstreePullEvent) => void
  readonly signal: AbortSignal
  readonly objects: ObjectStats
  readonly fetched: { metadata: number; files: number; deltaParts: number }
}

/**
 * Pulls the commit that `options.ref` names. Subscribing starts the pull, unsubscribing cancels it; the last event is
 * `completed`. The source is closed in the end.
 */
export function pullOstree(
  repository: Repository,
  openSource: () => Promise<OstreeSource>,
  options: OstreePullOptions,
): Observable<OstreePullEvent> {
  return onRepository<OstreePullEvent>(repository, options.signal, async (emit, signal) => {
    if (!isOstreeId(options.ref)) checkRefName(options.ref)
    repository.ensureWritable()
    const source = await openSource()
    try {
      const fetched = { metadata: 0, files: 0, deltaParts: 0 }
      const result = await run({ repository, source, options, emit, signal, objects: noObjects(), fetched })
      emit({ type: 'completed', result })
    } catch (error) {
      throw withContext(naming(error, source.description), 'cannot pull')
    } finally {
      await source.close()
    }
  })
}

/** The promise form of `pullOstree`. */
export async function pullOstreeCommit(...args: Parameters<typeof pullOstree>): Promise<OstreePullResult> {
  return resultOf(pullOstree(...args), 'pull')
}

async function run(pull: OstreeRun): Promise<OstreePullResult> {
  const { repository, options, source, emit, signal, objects, fetched } = pull
  const started = performance.now()
  const tag = isOstreeId(options.ref) ? undefined : options.ref
  await source.requireSummary?.(signal)
  const { commit, branch } =
    tag === undefined ? { commit: parseOstreeId(options.ref), branch: undefined } : await source.resolve(tag, signal)
  emit({ type: 'resolved', commit })
  const base = async () => (options.base === undefined ? undefined : openBase(pull, options.base))
  const stored = await findStoredCommit(repository, commit, signal)
  if (stored !== undefined && options.base !== undefined) await requireBase(pull, commit, options.base)
  const trusted = await trustedCommit(pull, commit, branch, stored)
  const registered = await ensureCommit(pull, commit, { stored, base, trusted })
  if (tag !== undefined) repository.streams.linkRef(streamRefName(tag), commitStreamName(commit))
  const pullParent = (id: OstreeId, child: StoredCommit) => fetchParent(pull, id, child)
  const depth = options.depth ?? defaults.ostreeDepth
  const parents = await pullParents({ repository, commit, ref: tag, depth, emit, signal, pullParent })
  return { commit, tag, ...registered, parents, objects, fetched, elapsedMs: performance.now() - started }
}

/** Stores a parent, which must be signed as the commit must; false if the source does not have it. */
async function fetchParent(pull: OstreeRun, id: OstreeId, child: StoredCommit): Promise<boolean> {
  const { repository, options, source, signal } = pull
  const stored = await findStoredCommit(repository, id, signal)
  const demands = { source, stored, ref: undefined, keys: options.keys, collectionId: undefined, signal }
  let trusted: Uint8Array
  try {
    trusted = (await requireTrustedCommit(id, demands)).bytes
  } catch (error) {
    if (saysAbsent(error)) return false
    throw error
  }
  // Of a delta little would be of use: what the commits have in common is here.
  const singly = { ...pull, options: { ...options, deltas: false } }
  await ensureCommit(singly, id, { stored, base: async () => child, trusted })
  return true
}

/** The commit object, if it must be signed or bound, and so was fetched before all else. */
async function trustedCommit(
  { options, source, emit, signal }: OstreeRun,
  id: OstreeId,
  branch: string | undefined,
  stored: StoredCommit | undefined,
): Promise<Uint8Array | undefined> {
  const { keys, collectionId } = options
  if (keys === undefined && collectionId === undefined) return undefined
  const demands = { source, stored, ref: branch, keys, collectionId, signal }
  const { bytes, signatures } = await requireTrustedCommit(id, demands)
  emit({ type: 'verified', signatures })
  return bytes
}

/** Throws if a base is named that is not there, as for a commit that is not stored: with a delta nobody looks for it (§3.1). */
async function requireBase(pull: OstreeRun, id: OstreeId, name: string): Promise<void> {
  const { repository, source, options, signal } = pull
  if (repository.streams.refEntry(streamRefName(checkKeptRefName(name))) !== undefined) return
  const deltas = options.deltas === false ? undefined : source.deltas
  if (deltas !== undefined && (await findDelta({ repository, deltas, signal }, id)) !== undefined) return
  await openBase(pull, name)
}

/** The commit of the ref `name`; undefined if it lacks objects, and so cannot give them. */
async function openBase({ repository, emit, signal }: OstreeRun, name: string): Promise<StoredCommit | undefined> {
  try {
    const base = await readStoredCommit(repository, `refs/${streamRefName(checkKeptRefName(name))}`, signal)
    if (isWhole(repository, base)) return base
    emit({ type: 'warning', text: `base ${name} is of no use: objects of it are missing` })
    return undefined
  } catch (error) {
    throw withContext(error, `base ${name}`)
  }
}

const registration = ({ options, signal }: OstreeRun) => ({ parity: options.parity ?? false, signal })

/** What is there before the source is asked. */
interface Known {
  /** All of it. */
  readonly stored: StoredCommit | undefined
  /** Asked for only if it is of use: with a delta it is not looked for. */
  readonly base: () => Promise<StoredCommit | undefined>
  /** The commit object. */
  readonly trusted: Uint8Array | undefined
}

/** Stores a commit, unless all of it but its image is there. */
async function ensureCommit(pull: OstreeRun, id: OstreeId, known: Known): Promise<RegisteredCommit> {
  if (known.stored !== undefined) return ensureImage(pull.repository, known.stored, registration(pull))
  // Of a directory everything is as near as what was kept.
  const journal = pull.source.isRemote ? new PullJournal(pull.repository, id) : undefined
  let registered: RegisteredCommit | undefined
  try {
    const objects = await collect(pull, id, known, journal)
    registered = await registerCommit(pull.repository, id, objects, registration(pull))
    return registered
  } finally {
    journal?.end(registered !== undefined)
  }
}

/** Everything that belongs to the commit, from a delta, from bases, from an earlier pull, and from the source. */
async function collect(
  pull: OstreeRun,
  id: OstreeId,
  { base, trusted }: Known,
  journal: PullJournal | undefined,
): Promise<ObjectCollection> {
  const { repository, source, options, emit, signal, fetched } = pull
  const delta = await objectsOfDelta(pull, id)
  const known = delta === undefined ? await base() : delta.base
  const objects = delta?.objects ?? new ObjectCollection()
  journal?.load(objects)
  const onFetched = (id: OstreeId, bytes: Uint8Array): void => {
    objects.add(id, bytes)
    journal?.addMetadata(id, bytes)
    emit({ type: 'metadata', fetched: ++fetched.metadata })
  }
  if (trusted !== undefined && !objects.has(id)) onFetched(id, trusted)
  const walk = { source, objects, signal, onFetched }
  const commit = await collectCommit(walk, id)
  const bases = known === undefined ? [] : [known]
  if (commit.parent !== undefined && known?.commit !== commit.parent) {
    const parent = await findStoredCommit(repository, commit.parent, signal)
    if (parent !== undefined) bases.push(parent)
  }
  const engine = openEngine(repository, {
    maxMemory: options.maxMemory ?? defaults.maxMemory,
    layers: 1,
    ...(options.threads !== undefined && { threads: options.threads }),
    onTask: (name, thread, startMs, endMs) => options.onSpan?.({ track: thread, name, startMs, endMs }),
  })
  try {
    // Nothing is there: there will be much for the threads to do, and the directories come first.
    if (bases.length === 0 && objects.count === 1) engine.start()
    const files = await collectMetadata({ ...walk, bases }, commit)
    await fetchFiles(pull, engine, files, objects, journal)
  } finally {
    await engine.close()
  }
  return objects
}

/** What a static delta gives of the commit, if there is a good one. */
async function objectsOfDelta(pull: OstreeRun, id: OstreeId): Promise<DeltaObjects | undefined> {
  const { repository, source, options, emit, signal, fetched } = pull
  if (source.deltas === undefined || options.deltas === false) return undefined
  const onRefused = (reason: string): void => {
    emit({ type: 'warning', text: `a static delta is of no use, objects are fetched one by one: ${reason}` })
  }
  const delta = await pullDeltaObjects({ repository, deltas: source.deltas, signal, onRefused }, id)
  if (delta === undefined) return undefined
  fetched.metadata += delta.metadata
  fetched.files += delta.files
  fetched.deltaParts += delta.parts
  addStats(pull.objects, delta.stats)
  emit({ type: 'metadata', fetched: fetched.metadata })
  return delta
}

async function fetchFiles(
  pull: OstreeRun,
  engine: OpenEngine,
  files: readonly OstreeId[],
  objects: ObjectCollection,
  journal: PullJournal | undefined,
): Promise<void> {
  if (files.length === 0) return
  const { source, emit, signal, fetched } = pull
  let bytes = 0
  const total = fetched.files + files.length
  const tell = (): void => emit({ type: 'files', fetched: fetched.files, total, bytes })
  tell()
  await source.storeFiles(files, engine, {
    signal,
    onStored: (ids, stored) => {
      ids.forEach((id, i) => objects.add(id, stored.data[i], stored.objects[i]))
      journal?.addFiles(ids, stored.data, stored.objects)
      addStats(pull.objects, stored.stats)
      fetched.files += ids.length
      tell()
    },
    onProgress: (more) => {
      bytes += more
      tell()
    },
  })
}
