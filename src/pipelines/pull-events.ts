/** What a pull tells while it runs, and what it gives in the end. */
import type { Digest, ObjectId } from '../formats/digest.js'
import { StageMeter, type OnSpan, type StageMetrics } from '../flow/meter.js'
import type { ObjectStats } from '../stages/object/object-batch.js'
import type { ErofsVersion } from '../formats/erofs/format.js'

/**
 * The stages of a pull, in the order of the flow. `digest` (of the tar) and `object` are the work of all threads; the
 * others are that of the main thread.
 */
const pullStages = ['fetch', 'decompress', 'digest', 'tar', 'object', 'splitstream', 'erofs'] as const
export type PullStage = (typeof pullStages)[number]

export interface PullResult {
  readonly manifestDigest: Digest
  readonly configDigest: Digest
  /**
   * The manifest's splitstream: on a first pull as it is before it refers to the image, as the reference prints it
   * (oci.md §1.1), else as it is.
   */
  readonly manifestVerity: ObjectId
  /** The tag that was set. */
  readonly tag: string
  /** False for an artifact: it has no image. */
  readonly isContainer: boolean
  /** Ids of the EROFS images by version. */
  readonly images: ReadonlyMap<ErofsVersion, ObjectId>
  /** Objects split out of layers in this run, and bytes kept inline. */
  readonly objects: Readonly<ObjectStats> & { readonly inlineBytes: number }
  readonly layers: { readonly total: number; readonly fetched: number }
  readonly stages: Readonly<Record<PullStage, StageMetrics>>
  /** Milliseconds. */
  readonly elapsedMs: number
}

/** A meter for each stage. */
export type PullMeters = Readonly<Record<PullStage, StageMeter>>

/** Meters of a run, or of one layer of it, whose spans are drawn on `track`. */
export function pullMeters(track?: string, onSpan?: OnSpan): PullMeters {
  return Object.fromEntries(pullStages.map((stage) => [stage, new StageMeter(stage, track, onSpan)])) as PullMeters
}

/** Adds what the meters of a layer counted to those of its run. */
export function addMeters(run: PullMeters, layer: PullMeters): void {
  for (const stage of pullStages) run[stage].add(layer[stage])
}

/**
 * Layers are named by their diff_id; bytes are those of the blob, before decompression (oci.md §9), or of the tar of a layer
 * of a containers-storage.
 */
export type PullEvent =
  | { readonly type: 'message'; readonly text: string }
  /** What the person who pulls should know. */
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'started'; readonly id: Digest; readonly total: number }
  | { readonly type: 'progress'; readonly id: Digest; readonly fetched: number; readonly total: number }
  | { readonly type: 'skipped'; readonly id: Digest }
  | { readonly type: 'done'; readonly id: Digest; readonly transferred: number }
  /** Now and then: what the stages did so far, in the layers that are done, and in threads. */
  | { readonly type: 'stages'; readonly stages: Readonly<Record<PullStage, StageMetrics>> }
  | { readonly type: 'completed'; readonly result: PullResult }
