/** What the main thread and the others tell each other. */
import { ioError, SluiceError, type ErrorCode, type SluiceErrorOptions } from '../errors.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import type { DecoderStep } from '../native/codec-library.js'
import type { DecoderKind } from '../stages/decompress/decoder.js'
import type { ObjectBatch, StoredBatch } from '../stages/object/object-batch.js'
import type { FileParts } from '../stages/slab/fill-from-files.js'
import type { SlabFile } from '../stages/slab/slab-pool.js'
import type { StoredFiles } from '../stages/ostree/file-batch.js'
import type { ArchivedFiles } from '../stages/ostree/file-workers.js'
import type { LocalRepository } from '../stages/ostree/local-repository.js'
import type { ThreadObjects } from './thread-objects.js'

/** What a thread begins with. */
export interface ThreadSetup {
  /** The memory of all slabs. */
  readonly memory: SharedArrayBuffer
  readonly objects: ThreadObjects
}

/** A task; slabs are named by their index. */
export type Task =
  | { readonly type: 'store'; readonly slab: number; readonly batch: ObjectBatch }
  | { readonly type: 'fill'; readonly slab: number; readonly parts: FileParts }
  /** Digests that are under way are numbered; the first update names the hash. */
  | {
      readonly type: 'update'
      readonly digest: number
      readonly algorithm: string
      readonly slab: number
      readonly length: number
    }
  | { readonly type: 'digest'; readonly digest: number; readonly algorithm: string }
  | { readonly type: 'abort'; readonly digest: number }
  | DecodeTask
  | { readonly type: 'close'; readonly decoder: number }
  | OstreeTask

/** Files of an ostree repository. */
export type OstreeTask =
  | { readonly type: 'local-files'; readonly repository: LocalRepository; readonly ids: readonly OstreeId[] }
  | { readonly type: 'archived-files'; readonly slab: number; readonly files: ArchivedFiles }
  /** Files that come in pieces are numbered; the first piece names the object. */
  | {
      readonly type: 'file-piece'
      readonly file: number
      readonly id: OstreeId
      readonly slab: number
      readonly length: number
    }
  | { readonly type: 'file-end'; readonly file: number }
  | { readonly type: 'file-abort'; readonly file: number }

/** Decodes until the input is consumed, the output full, or the stream at its end. Decoders are numbered, too. */
export interface DecodeTask {
  readonly type: 'decode'
  readonly decoder: number
  readonly kind: DecoderKind
  /** Before that, a stream begins; for zstd with this header, for gzip it is empty. */
  readonly begin: Uint8Array | undefined
  /** In the room of a slab. */
  readonly input: { readonly slab: number; readonly start: number; readonly length: number }
  readonly output: { readonly slab: number; readonly at: number }
  /** The slab of the next output, if that is known. */
  readonly next: number | undefined
}

/** What each kind of task gives. */
export interface Results {
  store: StoredBatch
  fill: SlabFile[]
  update: undefined
  digest: string
  abort: undefined
  decode: DecoderStep
  close: undefined
  'local-files': StoredFiles
  'archived-files': StoredFiles
  'file-piece': void
  'file-end': StoredFiles
  'file-abort': void
}

/** The main thread asks with a number, the thread answers with the same; null asks it to end. */
export type Request = { readonly id: number; readonly task: Task } | null

/** What a thread tells first: until then it loads what it is made of (src/cli/tune-v8.ts). */
export type Started = 'started'

export interface Reply {
  readonly id: number
  /** When the task began and ended, in milliseconds since the epoch: threads have no other clock in common. */
  readonly startedAt: number
  readonly endedAt: number
  readonly result?: Results[Task['type']]
  readonly error?: PackedError
}

/** An error as plain data: a class does not pass between threads. */
export interface PackedError {
  readonly code: ErrorCode
  readonly message: string
  readonly options: Omit<SluiceErrorOptions, 'cause'>
  readonly cause: string | undefined
}

export function packError(error: unknown): PackedError {
  const { code, message, hint, retryable, details, cause } = ioError(error, 'a worker thread failed')
  const options = { retryable, details, ...(hint !== undefined && { hint }) }
  return { code, message, options, cause: cause instanceof Error ? cause.stack : undefined }
}

export function unpackError({ code, message, options, cause }: PackedError): SluiceError {
  return new SluiceError(code, message, { ...options, ...(cause !== undefined && { cause: new Error(cause) }) })
}
