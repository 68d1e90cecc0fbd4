/** What a pull is asked for, and what its parts share while it runs. */
import type { OnSpan } from '../flow/meter.js'
import type { Platform } from '../formats/oci/platform.js'
import type { Repository } from '../repository/repository.js'
import type { ImageSource } from '../stages/fetch/image-source.js'
import type { PullEvent, PullMeters } from './pull-events.js'

export interface PullOptions {
  /** Tag to set. */
  readonly tag: string
  /** Default: the host's. */
  readonly platform?: Platform
  /** Layers at a time, 1 or more, as far as there is memory; default `defaults.pullConcurrency`. */
  readonly concurrency?: number
  /** Bytes that the buffers of the run may take; default `defaults.maxMemory`. */
  readonly maxMemory?: number
  /** Threads beside the main one; default: one for each core, none on a single core. */
  readonly threads?: number
  /** Told what every stage did and when, for a trace. */
  readonly onSpan?: OnSpan
  /** Refuse what the reference tool refuses (oci.md §4.0). */
  readonly parity?: boolean
  readonly signal?: AbortSignal
}

/** One pull: where from, where to, how, and what is counted on the way. */
export interface PullRun {
  readonly repository: Repository
  readonly source: ImageSource
  readonly options: PullOptions
  readonly emit: (event: PullEvent) => void
  readonly signal: AbortSignal
  readonly stages: PullMeters
  readonly objects: { newObjects: number; presentObjects: number; storedBytes: number; inlineBytes: number }
}
