/** The file tree of a stored commit: its dump, and its image (ostree.md §5, §6). */
import { SluiceError } from '../errors.js'
import type { ByteString } from '../formats/bytes.js'
import type { ObjectId } from '../formats/digest.js'
import { writeDumpfile } from '../formats/dumpfile/write.js'
import { ObjectCollection } from '../formats/ostree/object-collection.js'
import { commitStreamName } from '../formats/ostree/ref-name.js'
import type { Repository } from '../repository/repository.js'
import { hasImage } from '../repository/stored-image.js'
import { commitImages } from '../stages/erofs/commit-images.js'
import { commitTree, type CommitTreeOptions } from '../stages/ostree/commit-tree.js'
import { encodeCommit } from '../stages/ostree/encode-commit.js'
import type { StoredCommit } from '../stages/ostree/stored-commit.js'
import { openOstreeCommit } from './ostree-commits.js'

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
  const stored = await openOstreeCommit(repository, source)
  if (stored.image !== undefined && hasImage(repository, stored.image)) return stored.image
  repository.ensureWritable()
  const { default: primary, extra } = repository.erofsFormats
  const tree = commitTree(stored, stored.commit, options)
  const image = commitImages(repository, tree, [primary, ...extra]).get(primary)!
  const encoded = await encodeCommit(repository.objects, collectObjects(stored).payload(stored.commit))
  const stream = await encoded.storeWith(image)
  await repository.sync()
  repository.streams.link(commitStreamName(stored.commit), stream)
  return image
}

function collectObjects(stored: StoredCommit): ObjectCollection {
  const { payload } = stored
  const objects = new ObjectCollection()
  for (let index = 0; index < payload.count; index++) {
    const id = payload.idAt(index)
    const { data, external } = stored.get(id)!
    objects.add(id, data, external)
  }
  return objects
}

/** The image that was linked when the commit was pulled. @throws SluiceError `SLUICE_NOT_FOUND` if none was. */
export async function storedOstreeImageId(repository: Repository, source: string): Promise<ObjectId> {
  const { image } = await openOstreeCommit(repository, source)
  if (image !== undefined) return image
  throw new SluiceError('SLUICE_NOT_FOUND', `no composefs image linked to '${source}' — try re-pulling`)
}
