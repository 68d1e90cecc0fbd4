/** What a pull is asked for, and what its parts share while it runs. */
import type { OnSpan } from '../flow/meter.js'
import type { Platform } from '../formats/oci/platform.js'
import type { Repository } from '../repository/repository.js'
import type { ImageSource } from '../stages/fetch/image-source.js'
import type { ObjectStats } from '../stages/object/object-batch.js'
import type { EntryBudget } from '../stages/tar/entry-budget.js'
import type { PullEvent, PullMeters } from './pull-events.js'

/** How the files of a containers-storage become objects. */
export interface StorageImport {
  /** Fail where a file would have to be copied. */
  readonly requireReflink?: boolean
  /** Whether an object may be another name of a file of the storage (containers-storage.md §4.2). */
  readonly hardlinks?: 'never' | 'sealed' | 'insecure'
  /** Take layers for what the storage says they are, by the CRC-64 of each file instead of the diff_id. */
  readonly trust?: boolean
}

export interface PullOptions {
  /** Tag to set. */
  readonly tag: string
  /** Default: the host's. */
  readonly platform?: Platform
  /** Layers at a time, 1 or more, as far as there is memory; default `defaults.pullConcurrency`. */
  readonly concurrency?: number
  /** Bytes that the buffers of the run may take, 32 MiB or more; default `defaults.maxMemory`. */
  readonly maxMemory?: number
  /** Threads beside the main one, 0 or more; default: one for each core, none on a single core or for 16 MiB or less. */
  readonly threads?: number
  /** Told what every stage did and when, for a trace. */
  readonly onSpan?: OnSpan
  /** For images of a local containers-storage. */
  readonly storage?: StorageImport
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
  readonly objects: ObjectStats & { inlineBytes: number }
  /** Of entries that are kept for the image. */
  readonly entryBudget: EntryBudget
}
