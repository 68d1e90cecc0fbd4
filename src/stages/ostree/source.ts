/** Where ostree commits come from: repositories in directories, and at URLs. */
import type { MetadataType } from '../../formats/ostree/object-type.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { FileWorkers, StoreFilesOptions } from './file-workers.js'
import type { DeltaSource } from '../ostree-delta/delta-source.js'
import type { Engine } from '../slab/slab-workers.js'

export interface OstreeEngine extends Engine {
  readonly workers: Engine['workers'] & FileWorkers
}

export interface ResolvedRef {
  readonly commit: OstreeId
  /** What the commit is bound to; the source may have other names for it as well. */
  readonly branch: string
}

export interface OstreeSource {
  /** For people; without secrets. */
  readonly description: string
  /** Whether it is behind a network, so that it is worth to keep what arrived. */
  readonly isRemote: boolean
  /** Undefined if static deltas would save nothing. */
  readonly deltas?: DeltaSource
  /** Asked first, of a source whose list of commits must be signed. @throws SluiceError `SLUICE_POLICY` if it is not. */
  requireSummary?(signal: AbortSignal): Promise<void>
  /** @throws SluiceError `SLUICE_NOT_FOUND` if there is no such ref. */
  resolve(ref: string, signal: AbortSignal): Promise<ResolvedRef>
  /** The stored bytes of an object, at most 128 MiB; not checked. */
  metadata(type: MetadataType, id: OstreeId, signal: AbortSignal): Promise<Uint8Array>
  /** The `.commitmeta` of a commit, which has its signatures; undefined if there is none. */
  detachedMetadata(commit: OstreeId, signal: AbortSignal): Promise<Uint8Array | undefined>
  /** Stores files, each once it is found to be what its id says; what became of them is told as they come. */
  storeFiles(ids: readonly OstreeId[], engine: OstreeEngine, options: StoreFilesOptions): Promise<void>
  close(): Promise<void>
}
