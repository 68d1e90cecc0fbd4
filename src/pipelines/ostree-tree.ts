/** The file tree of a stored commit: its dump, and its image (ostree.md §5, §6). */
import { SluiceError } from '../errors.js'
import type { ByteString } from '../formats/bytes.js'
import type { ObjectId } from '../formats/digest.js'
import { writeDumpfile } from '../formats/dumpfile/write.js'
import type { Repository } from '../repository/repository.js'
import { commitTree, type CommitTreeOptions } from '../stages/ostree/commit-tree.js'
import { openOstreeCommit } from './ostree-commits.js'
import { ensureImage } from './register-commit.js'

/** The dumpfile of a commit, line by line, without line ends. @param source a ref, an id, or the beginning of one. */
export async function* dumpOstreeCommit(
  repository: Repository,
  source: string,
  options: CommitTreeOptions,
): AsyncGenerator<ByteString> {
  const stored = await openOstreeCommit(repository, source)
  yield* writeDumpfile(commitTree(stored, stored.commit, options))
}

/** The image of a commit in the default format; it is made and linked if it is not there. */
export async function ostreeImageId(
  repository: Repository,
  source: string,
  options: CommitTreeOptions,
): Promise<ObjectId> {
  return repository.during(async () => {
    const stored = await openOstreeCommit(repository, source)
    return (await ensureImage(repository, stored, options)).image
  })
}

/** The image that was linked when the commit was pulled. @throws SluiceError `SLUICE_NOT_FOUND` if none was. */
export async function storedOstreeImageId(repository: Repository, source: string): Promise<ObjectId> {
  const { image } = await openOstreeCommit(repository, source)
  if (image !== undefined) return image
  throw new SluiceError('SLUICE_NOT_FOUND', `no composefs image linked to '${source}' — try re-pulling`)
}
