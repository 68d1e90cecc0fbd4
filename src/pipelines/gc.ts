/**
 * `gc`: removes what no ref needs (repository.md §5).
 *
 * roots → walk → plan → sweep. Nothing is removed before everything was looked at, and nothing at all if any of it is
 * wrong.
 */
import type { Observable } from 'rxjs'
import { Breather } from '../flow/breather.js'
import { coldFrom } from '../flow/cold.js'
import { resultOf } from '../flow/result-of.js'
import type { Repository } from '../repository/repository.js'
import { planSweep, type SweepPlan } from '../stages/sweep/plan.js'
import { sweep } from '../stages/sweep/sweep.js'
import { walkRepository, type WalkOptions } from '../stages/walk/walk.js'
import { withRepairHint } from './repair-hint.js'

export type GcPlan = SweepPlan

export interface GcOptions extends WalkOptions {
  /** Remove what interrupted pulls received, too, and not only what is older than a week. */
  readonly parts?: boolean
  /** Find out what would be removed, remove nothing; needs neither the exclusive lock nor write permission. */
  readonly dryRun?: boolean
}

/** What was removed, or in a dry run would be. */
export interface GcResult {
  readonly objectsRemoved: number
  /** Sum of the sizes of those objects. */
  readonly objectsBytes: number
  /** Links below `images/`, refs among them. */
  readonly imagesPruned: number
  readonly streamsPruned: number
  /** Beginnings of blobs that interrupted pulls received. */
  readonly partsRemoved: number
  /** Sum of their sizes. */
  readonly partsBytes: number
  /** Images that nothing but a mount keeps; they stay. */
  readonly mountedImagesKept: number
}

export type GcEvent =
  | { readonly type: 'planned'; readonly plan: GcPlan }
  | { readonly type: 'progress'; readonly removed: number; readonly total: number }
  | { readonly type: 'completed'; readonly result: GcResult }

/** Collects garbage. Subscribing starts, unsubscribing stops between two objects; the last event is `completed`. */
export function gc(repository: Repository, options: GcOptions = {}): Observable<GcEvent> {
  return coldFrom<GcEvent>(async (emit, signal) => {
    const run = async () => {
      const plan = await planGc(repository, { ...options, signal })
      emit({ type: 'planned', plan })
      if (options.dryRun !== true) await executePlan(repository, plan, emit, signal)
      emit({ type: 'completed', result: summarisePlan(plan) })
    }
    if (options.dryRun === true) return repository.during(run, signal)
    repository.ensureWritable()
    await repository.exclusively(run, signal)
  }, options.signal)
}

/** The promise form of `gc`. */
export async function collectGarbage(repository: Repository, options: GcOptions = {}): Promise<GcResult> {
  return resultOf(gc(repository, options), 'collection')
}

/**
 * What a collection would remove now.
 *
 * @throws SluiceError if a root or anything it needs cannot be read, or something lies where it does not belong.
 */
export async function planGc(repository: Repository, options: Omit<GcOptions, 'dryRun'> = {}): Promise<GcPlan> {
  try {
    const live = await walkRepository(repository, options)
    return await planSweep(repository, live, options)
  } catch (error) {
    throw withRepairHint(error, `cannot collect garbage in ${repository.path}`)
  }
}

/** The counters of a plan. */
function summarisePlan({ objects, links, parts, mountedOnly }: GcPlan): GcResult {
  return {
    objectsRemoved: objects.length,
    objectsBytes: objects.bytes,
    imagesPruned: links.images.length,
    streamsPruned: links.streams.length,
    partsRemoved: parts.data.length,
    partsBytes: parts.data.reduce((sum, { size }) => sum + size, 0),
    mountedImagesKept: mountedOnly.length,
  }
}

async function executePlan(
  repository: Repository,
  plan: GcPlan,
  emit: (event: GcEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const total = plan.objects.length
  let removed = 0
  await sweep(repository, plan, new Breather(signal), () => {
    emit({ type: 'progress', removed: ++removed, total })
  })
}
