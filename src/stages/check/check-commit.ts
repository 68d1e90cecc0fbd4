/** Whether every object in the stream of an ostree commit is what its id says, the contents of its files too (ostree.md §4). */
import { formatError } from '../../errors.js'
import type { Breather } from '../../flow/breather.js'
import { readCommit } from '../../formats/ostree/commit.js'
import { readDirmeta } from '../../formats/ostree/dirmeta.js'
import { readDirtree } from '../../formats/ostree/dirtree.js'
import { FileIdHasher } from '../../formats/ostree/file-id.js'
import { readSizedZlibHeader } from '../../formats/ostree/file-header.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { commitStreamName } from '../../formats/ostree/ref-name.js'
import type { Repository } from '../../repository/repository.js'
import { readStoredCommit, type StoredCommit } from '../ostree/stored-commit.js'
import { readObject } from '../splitstream/read.js'

/** @throws SluiceError `SLUICE_FORMAT` that names the first object that is missing or another. */
export async function checkCommitContent(repository: Repository, commit: OstreeId, breather: Breather): Promise<void> {
  const stored = await readStoredCommit(repository, commitStreamName(commit))
  if (stored.commit !== commit) throw formatError('ostree', `expected commit ${commit}, got ${stored.commit}`)
  const { tree, meta } = readCommit(metadata(stored, 'commit', commit))
  // Each is looked at once, wherever it is used; the sets grow while they are walked.
  const trees = new Set([tree])
  const metas = new Set([meta])
  const files = new Set<OstreeId>()
  for (const id of trees) {
    const { files: leaves, directories } = readDirtree(metadata(stored, 'dirtree', id))
    for (const file of leaves) files.add(file.id)
    for (const directory of directories) {
      trees.add(directory.tree)
      metas.add(directory.meta)
    }
    await breather.breathe()
  }
  for (const id of metas) readDirmeta(metadata(stored, 'dirmeta', id))
  for (const id of files) await checkFile(repository, stored, id, breather)
}

function metadata(stored: StoredCommit, type: string, id: OstreeId): Uint8Array {
  const bytes = stored.payload.data(id)
  if (bytes === undefined) throw formatError('ostree', `${type} ${id} is missing`)
  const actual = hashMetadata(bytes)
  if (actual !== id) throw formatError('ostree', `${type}: expected ${id}, got ${actual}`)
  return bytes
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
