/** What a pull of an ostree commit is asked for, what it tells while it runs, and what it gives in the end. */
import type { ObjectId } from '../formats/digest.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import type { OnSpan } from '../flow/meter.js'
import type { ErofsVersion } from '../formats/erofs/format.js'
import type { ObjectStats } from '../stages/object/object-batch.js'
import type { SignatureVerdict } from '../stages/ostree-verify/verdict.js'
import type { TrustedKeys } from '../stages/ostree-verify/verify.js'

export interface OstreePullOptions {
  /** A ref, or the id of a commit in 64 hex digits of either case; a ref is set in the repository as well. */
  readonly ref: string
  /** A ref of the repository whose commit has objects that need not be fetched. */
  readonly base?: string
  /**
   * What the commit must be signed by, also if it is here already. It is checked before anything else of the commit is
   * fetched; the commit must then be bound to the ref, if it is bound to any.
   */
  readonly keys?: TrustedKeys
  /** The collection that the commit must be bound to. */
  readonly collectionId?: string
  /** How many parents of the commit to pull as well, as far as the source has them; default `defaults.ostreeDepth`. */
  readonly depth?: number
  /** Look for static deltas; default true. */
  readonly deltas?: boolean
  /** Bytes that the buffers of the run may take, 32 MiB or more; default `defaults.maxMemory`. */
  readonly maxMemory?: number
  /** Threads beside the main one, 0 or more; default: one for each core, none on a single core. */
  readonly threads?: number
  /** Told what every thread did and when, for a trace. */
  readonly onSpan?: OnSpan
  /** Names of xattrs keep their zero byte in images (ostree.md §5.2). */
  readonly parity?: boolean
  readonly signal?: AbortSignal
}

export interface OstreePullResult {
  readonly commit: OstreeId
  /**
   * The splitstream of the commit: on a first pull as it is before it refers to the image, as the reference prints it
   * (ostree.md §4.3), else as it is.
   */
  readonly verity: ObjectId
  /** Id of the EROFS image in the format of the repository. */
  readonly image: ObjectId
  /** Ids of the images that were made in this run, by version. */
  readonly images: ReadonlyMap<ErofsVersion, ObjectId>
  /** The ref that was set, if one was asked for. */
  readonly tag: string | undefined
  /** The parents that were asked for and are stored, the nearest first. */
  readonly parents: readonly OstreeId[]
  /** Objects that came from the source. */
  readonly fetched: { readonly metadata: number; readonly files: number; readonly deltaParts: number }
  /** Objects that the contents of files became. */
  readonly objects: Readonly<ObjectStats>
  /** Milliseconds. */
  readonly elapsedMs: number
}

export type OstreePullEvent =
  | { readonly type: 'warning'; readonly text: string }
  /** The commit that the ref names. */
  | { readonly type: 'resolved'; readonly commit: OstreeId }
  /** The valid signatures of the commit, by the keys that were given. */
  | { readonly type: 'verified'; readonly signatures: readonly SignatureVerdict[] }
  /** Metadata objects that came so far; how many there are shows as they come. */
  | { readonly type: 'metadata'; readonly fetched: number }
  /** Files that came so far, of how many, and the bytes of them. */
  | { readonly type: 'files'; readonly fetched: number; readonly total: number; readonly bytes: number }
  | { readonly type: 'completed'; readonly result: OstreePullResult }
