/**
 * `export-commit`: a stored commit into an ostree repository in a directory (ostree.md §6).
 *
 * commit → its objects, as far as they are missing → files in `tmp` → disk → `objects` → ref
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Observable } from 'rxjs'
import { naming, SluiceError, withContext } from '../errors.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import { isLibostreeRef } from '../formats/ostree/ref-name.js'
import type { RepositoryMode } from '../formats/ostree/repository-config.js'
import { resultOf } from '../flow/result-of.js'
import type { Repository } from '../repository/repository.js'
import { stageObjects, type StagedObjects } from '../stages/ostree-export/stage-objects.js'
import { Staging } from '../stages/ostree-export/staging.js'
import { openTarget } from '../stages/ostree-export/target-repository.js'
import type { LocalRepository } from '../stages/ostree/local-repository.js'
import type { StoredCommit } from '../stages/ostree/stored-commit.js'
import { onRepository } from './on-repository.js'
import { openOstreeCommit, storedCommitObject } from './ostree-commits.js'

export interface OstreeExportOptions {
  /** A ref, or the id of a commit, or the beginning of one. */
  readonly source: string
  /** The directory of the ostree repository. */
  readonly path: string
  /** A ref to set there, below `refs/heads`. */
  readonly reference?: string
  /** Makes the repository, of this mode, if nothing is at `path`. */
  readonly mode?: RepositoryMode
  readonly signal?: AbortSignal
}

export interface OstreeExportResult {
  readonly commit: OstreeId
  /** The ref that was set, if one was asked for. */
  readonly tag: string | undefined
  /** Of the ostree repository. */
  readonly mode: RepositoryMode
  /** Objects that were not there before. */
  readonly written: StagedObjects
}

export type OstreeExportEvent =
  /** Files that are written so far, of how many. */
  | { readonly type: 'files'; readonly written: number; readonly total: number }
  | { readonly type: 'completed'; readonly result: OstreeExportResult }

/** Subscribing starts the export, unsubscribing cancels it; the last event is `completed`. */
export function exportOstree(repository: Repository, options: OstreeExportOptions): Observable<OstreeExportEvent> {
  const { source, path, reference, mode } = options
  return onRepository<OstreeExportEvent>(repository, options.signal, async (emit, signal) => {
    if (reference !== undefined) checkReference(reference)
    const stored = await openOstreeCommit(repository, source)
    storedCommitObject(stored)
    const target = openTarget(path, mode)
    try {
      const written = await writeObjects(repository, stored, target, { reference, emit, signal })
      const result = { commit: stored.commit, tag: reference, mode: target.mode, written }
      emit({ type: 'completed', result })
    } catch (error) {
      throw withContext(naming(error, path), `cannot export commit ${stored.commit}`)
    }
  })
}

/** The promise form of `exportOstree`. */
export async function exportOstreeCommit(...args: Parameters<typeof exportOstree>): Promise<OstreeExportResult> {
  return resultOf(exportOstree(...args), 'export')
}

function checkReference(ref: string): void {
  if (isLibostreeRef(ref) && !ref.includes(':')) return
  throw new SluiceError('SLUICE_USAGE', `ostree does not take ${JSON.stringify(ref.slice(0, 200))} for a ref`, {
    hint: 'a ref is names of letters, digits, dots, dashes and underscores, joined by single slashes',
  })
}

interface ExportRun {
  readonly reference: string | undefined
  readonly emit: (event: OstreeExportEvent) => void
  readonly signal: AbortSignal
}

async function writeObjects(
  { objects }: Repository,
  stored: StoredCommit,
  { path, mode }: LocalRepository,
  { reference, emit, signal }: ExportRun,
): Promise<StagedObjects> {
  const staging = await Staging.open(path, signal)
  try {
    const onFiles = (written: number, total: number): void => emit({ type: 'files', written, total })
    const staged = await stageObjects(stored, { store: objects, mode, staging, signal, onFiles })
    await staging.publish()
    // An interrupted pull of ostree's may have said so of this commit.
    rmSync(join(path, 'state', `${stored.commit}.commitpartial`), { force: true })
    if (reference !== undefined) staging.setRef(reference, stored.commit)
    return staged
  } finally {
    staging.dispose()
  }
}
