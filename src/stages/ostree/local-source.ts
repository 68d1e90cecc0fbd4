/** Commits in a repository in a directory. */
import { readFileSync } from 'node:fs'
import { cancelled, formatError, SluiceError } from '../../errors.js'
import type { MetadataType } from '../../formats/ostree/object-type.js'
import { MAX_METADATA } from '../../formats/ostree/limits.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { runAll } from '../../flow/run-all.js'
import type { StoreFilesOptions } from './file-workers.js'
import { resolveLocalRef } from './local-refs.js'
import { findLocalObject, openLocalRepository, type LocalRepository } from './local-repository.js'
import type { OstreeEngine, OstreeSource, ResolvedRef } from './source.js'

/** What a thread gets at a time: enough that a message does not count, few enough that all threads end together. */
const BATCH_FILES = 48
const BATCH_BYTES = 8 * 1024 * 1024
/** Batches that are waiting or under way: there are never so many threads. */
const BATCHES_AHEAD = 64

export class LocalSource implements OstreeSource {
  readonly description: string
  readonly isRemote = false
  readonly #repository: LocalRepository

  /** @throws SluiceError if there is no repository at `path`. */
  constructor(path: string) {
    this.description = path
    this.#repository = openLocalRepository(path)
  }

  async resolve(ref: string): Promise<ResolvedRef> {
    return resolveLocalRef(this.#repository, ref)
  }

  async metadata(type: MetadataType | 'commitmeta', id: OstreeId): Promise<Uint8Array> {
    const { path, stats } = findLocalObject(this.#repository, id, type)
    if (!stats.isFile() || stats.size > MAX_METADATA) throw formatError('ostree', `${path} is no ${type} object`)
    return readFileSync(path)
  }

  async detachedMetadata(commit: OstreeId): Promise<Uint8Array | undefined> {
    try {
      return await this.metadata('commitmeta', commit)
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'SLUICE_NOT_FOUND') return undefined
      throw error
    }
  }

  async storeFiles(
    ids: readonly OstreeId[],
    { workers }: OstreeEngine,
    { signal, onStored, onProgress }: StoreFilesOptions,
  ): Promise<void> {
    await runAll(this.#batches(ids), BATCHES_AHEAD, async ({ ids, bytes }) => {
      if (signal.aborted) throw cancelled(signal)
      onStored(ids, await workers.localFiles(this.#repository, ids))
      onProgress(bytes)
    })
  }

  async close(): Promise<void> {}

  /** The largest files come first, so that no thread is left with one in the end. */
  #batches(ids: readonly OstreeId[]): { ids: OstreeId[]; bytes: number }[] {
    const files = ids.map((id) => ({ id, size: findLocalObject(this.#repository, id, 'file').stats.size }))
    files.sort((a, b) => b.size - a.size)
    const batches: { ids: OstreeId[]; bytes: number }[] = []
    for (const { id, size } of files) {
      const open = batches.at(-1)
      if (open !== undefined && open.ids.length < BATCH_FILES && open.bytes + size <= BATCH_BYTES) {
        open.ids.push(id)
        open.bytes += size
      } else batches.push({ ids: [id], bytes: size })
    }
    return batches
  }
}

/** @throws SluiceError if there is no repository at `path`. */
export function openLocalOstree(path: string): OstreeSource {
  return new LocalSource(path)
}
