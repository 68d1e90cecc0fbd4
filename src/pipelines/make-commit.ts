/**
 * `make-commit`: an image of the repository as an ostree commit beside it (ostree.md §5.5).
 *
 * image → file tree → dirtrees, dirmetas, files → commit object → commit stream → ref
 */
import { SluiceError } from '../errors.js'
import type { ObjectId } from '../formats/digest.js'
import { loadErofsTree } from '../formats/erofs/load.js'
import { openErofs } from '../formats/erofs/open.js'
import { refBinding } from '../formats/ostree/bindings.js'
import { writeCommit } from '../formats/ostree/commit.js'
import { ObjectCollection } from '../formats/ostree/object-collection.js'
import { hashMetadata, type OstreeId } from '../formats/ostree/ostree-id.js'
import { checkRefName, commitStreamName, streamRefName } from '../formats/ostree/ref-name.js'
import type { Repository } from '../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../formats/erofs/format.js'
import { treeObjects } from '../stages/ostree/tree-objects.js'
import { registerTree } from './register-commit.js'

/** The field of a commit has no sign. */
const MAX_TIMESTAMP = 2n ** 64n - 1n

export interface MakeCommitOptions {
  /** The ref to set, which the commit is bound to. */
  readonly reference?: string
  /** One line; default: empty. */
  readonly subject?: string
  /** Seconds since 1970; default: now. */
  readonly timestamp?: bigint
  /** Names of xattrs stay as they are in the image (ostree.md §5.5). */
  readonly parity?: boolean
  readonly signal?: AbortSignal
}

export interface MadeCommit {
  readonly commit: OstreeId
  /** The splitstream of the commit. */
  readonly verity: ObjectId
  /** Of the same tree, in the format of the repository: the given one, unless that has another format. */
  readonly image: ObjectId
  readonly tag: string | undefined
}

/**
 * Makes a commit without parent.
 *
 * @param image id of an image, or `refs/NAME`.
 * @throws SluiceError `SLUICE_NOT_FOUND`; `SLUICE_UNSUPPORTED` for a file that ostree has not.
 */
export async function makeOstreeCommit(
  repository: Repository,
  image: string,
  options: MakeCommitOptions = {},
): Promise<MadeCommit> {
  return repository.during(() => makeCommit(repository, image, options), options.signal)
}

async function makeCommit(repository: Repository, image: string, options: MakeCommitOptions): Promise<MadeCommit> {
  const { reference, subject = '', timestamp = now(), parity = false, signal } = options
  if (reference !== undefined) checkRefName(reference)
  if (timestamp < 0n || timestamp > MAX_TIMESTAMP) {
    throw new SluiceError(
      'SLUICE_USAGE',
      `a commit cannot have the time ${timestamp}: it is a number of 64 bits, from 0`,
    )
  }
  repository.ensureWritable()
  const bytesOfImage = repository.objects.read(repository.findImage(image), MAX_IMAGE_SIZE)
  const tree = loadErofsTree(openErofs(bytesOfImage), repository.algorithm)
  const objects = new ObjectCollection()
  const root = await treeObjects(repository, tree, { objects, parity, signal })
  const metadata = reference === undefined ? [] : refBinding([reference])
  const bytes = writeCommit({ metadata, related: [], subject, body: '', timestamp, ...root })
  const commit = hashMetadata(bytes)
  objects.add(commit, bytes)
  const registered = await registerTree(repository, commit, objects, tree, signal)
  if (reference !== undefined) repository.streams.linkRef(streamRefName(reference), commitStreamName(commit))
  return { commit, verity: registered.stream, image: registered.image, tag: reference }
}

const now = (): bigint => BigInt(Math.floor(Date.now() / 1000))
