/** Stages the objects of a stored commit for an ostree repository, as far as that does not have them (ostree.md §6, `export`). */
import { writeFileSync } from 'node:fs'
import { cancelled, SluiceError, withContext } from '../../errors.js'
import { Breather } from '../../flow/breather.js'
import { runAll } from '../../flow/run-all.js'
import { readSizedZlibHeader } from '../../formats/ostree/file-header.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import type { RepositoryMode } from '../../formats/ostree/repository-config.js'
import type { ObjectStore } from '../../repository/objects.js'
import { reachableObjects } from '../ostree/reachable-objects.js'
import type { StoredCommit } from '../ostree/stored-commit.js'
import { fileLayouts, OBJECT_MODE, type FileLayout } from './file-layout.js'
import { stageXattrs } from './stage-xattrs.js'
import type { Staging } from './staging.js'
import { cloneWhilePossible, writeFile, type CommitFile } from './write-file.js'

/** Several, as threads of Node's deflate them, of which there are four. */
const FILES_AT_A_TIME = 8

export interface StageOptions {
  readonly store: ObjectStore
  /** Of the repository. */
  readonly mode: RepositoryMode
  readonly staging: Staging
  readonly signal: AbortSignal
  /** Told how many files are staged, and how many will be. */
  readonly onFiles: (staged: number, total: number) => void
}

export interface StagedObjects {
  readonly metadata: number
  readonly files: number
}

/** @throws SluiceError `SLUICE_UNSUPPORTED`: the mode cannot hold a file; then nothing was staged. */
export async function stageObjects(stored: StoredCommit, options: StageOptions): Promise<StagedObjects> {
  const { mode, staging, signal, onFiles } = options
  const breather = new Breather(signal)
  const reachable = await reachableObjects(stored, stored.commit, breather)
  const suffix = mode === 'archive' ? 'filez' : 'file'
  const missing = [...reachable.files].filter(([id]) => staging.find(id, suffix) === undefined)
  const files = missing.map(([id, path]) => ({ path, file: commitFile(stored, id) }))
  const layout = fileLayouts[mode]
  for (const { path, file } of files) refuseObjection(mode, layout, path, file)
  if (mode === 'bare-split-xattrs') {
    for (const { file } of files) await stageXattrs(staging, file.id, file.header.xattrs)
  }
  const writing = { layout, store: options.store, breather, clone: cloneWhilePossible() }
  let staged = 0
  onFiles(staged, files.length)
  await runAll(files, FILES_AT_A_TIME, async ({ path, file }) => {
    if (signal.aborted) throw cancelled(signal)
    try {
      await staging.add(file.id, suffix, (at) => writeFile(at, file, writing))
    } catch (error) {
      throw withContext(error, path)
    }
    onFiles(++staged, files.length)
  })
  const metadata = reachable.metadata.filter(({ id, type }) => staging.find(id, type) === undefined)
  for (const { id, type, bytes } of metadata) {
    await staging.add(id, type, (at) => writeFileSync(at, bytes, { mode: OBJECT_MODE }))
  }
  return { metadata: metadata.length, files: files.length }
}

function commitFile(stored: StoredCommit, id: OstreeId): CommitFile {
  const found = stored.get(id)
  if (found === undefined) throw new SluiceError('SLUICE_CORRUPT', `commit ${stored.commit} lacks file ${id}`)
  return { id, external: found.external, ...readSizedZlibHeader(found.data) }
}

function refuseObjection(mode: RepositoryMode, { objection }: FileLayout, path: string, { header }: CommitFile): void {
  const why = objection(header)
  if (why === undefined) return
  throw new SluiceError('SLUICE_UNSUPPORTED', `a repository of mode ${mode} cannot hold ${path}, which ${why}`, {
    hint: 'modes archive and bare-user hold every commit',
  })
}
