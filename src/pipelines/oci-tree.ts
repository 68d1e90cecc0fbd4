/** The file tree of a stored image: its dump and its id, always anew from the layers (oci.md §5.4). */
import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.js'
import type { ByteString } from '../formats/bytes.js'
import { digestHashName, type Digest, type ObjectId } from '../formats/digest.js'
import { writeDumpfile } from '../formats/dumpfile/write.js'
import { parseConfig } from '../formats/oci/config.js'
import type { XattrMode } from '../formats/tree/transform.js'
import type { Directory } from '../formats/tree/tree.js'
import { imageRefName } from '../repository/names.js'
import type { Repository } from '../repository/repository.js'
import { readStoredDocument } from '../repository/stored-image.js'
import { computeImageId } from '../stages/erofs/commit-images.js'
import { buildImageTree, type StoredLayer } from '../stages/erofs/image-tree.js'
import { mergeStream } from '../stages/splitstream/read.js'
import { openStoredImage, resolveImageName } from './oci-images.js'

export interface ImageTreeOptions {
  readonly xattrs: XattrMode
  readonly parity: boolean
  /** The object of the config's stream: where it is given, contents are taken on trust. */
  readonly verity?: ObjectId
  readonly signal?: AbortSignal
}

/** Builds the tree of an image. NAME is a tag, or `@digest` of a *config*, whose layers are then hashed again. */
async function imageTree(repository: Repository, name: string, options: ImageTreeOptions): Promise<Directory> {
  return repository.during(() => buildTree(repository, name, options), options.signal)
}

async function buildTree(repository: Repository, name: string, options: ImageTreeOptions): Promise<Directory> {
  const { configDigest, config } = findConfig(repository, name, options.verity)
  // With a tag the reference takes any.
  const counts = name.startsWith('@') || !options.parity
  if (counts && options.verity !== undefined && options.verity !== config.stream) {
    throw new SluiceError(
      'SLUICE_DIGEST_MISMATCH',
      `the stream of config ${configDigest} is ${config.stream}, not ${options.verity}`,
    )
  }
  const layers = parseConfig(config.bytes).diffIds.map((diffId): StoredLayer => {
    const stream = config.namedRefs.get(diffId)
    if (stream === undefined)
      throw new SluiceError('SLUICE_CORRUPT', `config ${configDigest} does not name its layer ${diffId}`)
    return { diffId, stream }
  })
  if (name.startsWith('@') && options.verity === undefined) {
    for (const layer of layers) await checkLayerDigest(repository, layer, options.signal)
  }
  return buildImageTree(repository, layers, options, options.signal)
}

function findConfig(repository: Repository, name: string, stream: ObjectId | undefined) {
  const digest = resolveImageName(repository, name)
  if (name.startsWith('@')) {
    return { configDigest: digest, config: readStoredDocument(repository, 'config', digest, stream) }
  }
  const { manifest, configDocument } = openStoredImage(repository, digest)
  return { configDigest: manifest.config.digest, config: configDocument }
}

async function checkLayerDigest(
  repository: Repository,
  { diffId, stream }: StoredLayer,
  signal?: AbortSignal,
): Promise<void> {
  const open = repository.openStreamObject(stream, `layer ${diffId}`)
  try {
    const digest = createHash(digestHashName(diffId))
    for await (const piece of mergeStream(repository, open, signal)) digest.update(piece)
    if (`${diffId.slice(0, diffId.indexOf(':'))}:${digest.digest('hex')}` === diffId) return
    throw new SluiceError('SLUICE_DIGEST_MISMATCH', `Layer has incorrect checksum: ${diffId}`)
  } finally {
    open.close()
  }
}

/** The dumpfile of an image, line by line, without line ends. */
export async function* dumpImage(
  repository: Repository,
  name: string,
  options: ImageTreeOptions,
): AsyncGenerator<ByteString> {
  yield* writeDumpfile(await imageTree(repository, name, options))
}

/** The id the image has in the default EROFS format of the repository. */
export async function imageId(repository: Repository, name: string, options: ImageTreeOptions): Promise<ObjectId> {
  return computeImageId(repository, await imageTree(repository, name, options), repository.erofsFormats.default)
}

/** The EROFS image that a pull stored for a tag or `sha256:…` manifest digest, in the default format. */
export function storedImageId(repository: Repository, name: string): ObjectId {
  const digest = (/^sha(256|384|512):/.test(name) ? name : resolveImageName(repository, name)) as Digest
  const { configDocument } = openStoredImage(repository, digest)
  const id = configDocument.namedRefs.get(imageRefName(repository.erofsFormats.default))
  if (id !== undefined) return id
  throw new SluiceError('SLUICE_NOT_FOUND', 'No composefs EROFS image linked — try re-pulling the image')
}
