/** Whether every object in the stream of an ostree commit is what its id says, the contents of its files too (ostree.md §4). */
import { formatError } from '../../errors.js'
import type { Breather } from '../../flow/breather.js'
import { FileIdHasher } from '../../formats/ostree/file-id.js'
import { readSizedZlibHeader } from '../../formats/ostree/file-header.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { commitStreamName } from '../../formats/ostree/ref-name.js'
import type { Repository } from '../../repository/repository.js'
import { reachableObjects } from '../ostree/reachable-objects.js'
import { readStoredCommit, type StoredCommit } from '../ostree/stored-commit.js'
import { readObject } from '../splitstream/read.js'

/** @throws SluiceError `SLUICE_FORMAT` that names the first object that is missing or another. */
export async function checkCommitContent(repository: Repository, commit: OstreeId, breather: Breather): Promise<void> {
  const stored = await readStoredCommit(repository, commitStreamName(commit))
  if (stored.commit !== commit) throw formatError('ostree', `expected commit ${commit}, got ${stored.commit}`)
  const { files } = await reachableObjects(stored, commit, breather)
  for (const id of files.keys()) await checkFile(repository, stored, id, breather)
}

async function checkFile(
  repository: Repository,
  stored: StoredCommit,
  id: OstreeId,
  breather: Breather,
): Promise<void> {
  const found = stored.get(id)
  if (found === undefined) throw formatError('ostree', `file ${id} is missing`)
  const { header, rest } = readSizedZlibHeader(found.data)
  const hasher = new FileIdHasher(header)
  let size = 0
  for (const piece of found.external === undefined ? [rest] : readObject(repository, found.external)) {
    hasher.update(piece)
    size += piece.length
    await breather.breathe()
  }
  const actual = hasher.digest()
  if (actual !== id) throw formatError('ostree', `file: expected ${id}, got ${actual}`)
  if (size !== header.size) throw formatError('ostree', `file ${id} has ${size} bytes, its header says ${header.size}`)
}
