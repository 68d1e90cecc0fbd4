/** EROFS images of a repository: what they refer to, files in them, import, mount; and plain streams (repository.md §7). */
import { closeSync } from 'node:fs'
import { cancelled, SluiceError } from '../errors.js'
import { fromByteString, utf8ByteString, type ByteString } from '../formats/bytes.js'
import { objectPath, type ObjectId } from '../formats/digest.js'
import { formatDumpLine } from '../formats/dumpfile/line.js'
import { countReferences, dumpLine, writeDumpfile } from '../formats/dumpfile/write.js'
import { listErofsObjects, checkErofs } from '../formats/erofs/list-objects.js'
import { loadErofsTree } from '../formats/erofs/load.js'
import { openErofs } from '../formats/erofs/open.js'
import type { Directory, LeafContent, TreeNode } from '../formats/tree/tree.js'
import { mountComposefs } from '../native/mount.js'
import { checkName } from '../repository/names.js'
import type { Repository } from '../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../formats/erofs/format.js'
import { mergeStream } from '../stages/splitstream/read.js'
import { readFromRepository } from './on-repository.js'

/** The merged bytes of the stream `name` (a content id, or `refs/…`). */
export function streamContent(repository: Repository, name: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  return readFromRepository(repository, () => readStream(repository, name, signal), signal)
}

async function* readStream(
  repository: Repository,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const stream = repository.openStream(name)
  try {
    yield* mergeStream(repository, stream, signal)
  } finally {
    stream.close()
  }
}

function openImage(repository: Repository, name: string) {
  return openErofs(repository.objects.read(repository.findImage(name), MAX_IMAGE_SIZE))
}

/** The objects that an image refers to, sorted. */
export function imageObjects(repository: Repository, name: string): ObjectId[] {
  const image = openImage(repository, name)
  checkErofs(image)
  return listErofsObjects(image, repository.algorithm)
}

/** Stores the bytes of an image, unchecked as by the reference, and names it `images/refs/<name>`. */
export async function importImage(
  repository: Repository,
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  signal?: AbortSignal,
): Promise<ObjectId> {
  checkName(name, 'image name')
  repository.ensureWritable()
  return repository.during(() => storeImage(repository, bytes, name, signal), signal)
}

async function storeImage(
  repository: Repository,
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ObjectId> {
  const writer = repository.objects.begin()
  try {
    for await (const piece of bytes) {
      if (signal?.aborted === true) throw cancelled(signal)
      writer.write(piece)
    }
  } catch (error) {
    writer.abort()
    throw error
  }
  const { id } = writer.commit()
  await repository.sync()
  repository.images.link(id, id)
  repository.images.linkRef(name, id)
  return id
}

/** The node at an absolute path; links are not followed, and `..` is no name of an image. */
function lookup(root: Directory, path: ByteString): TreeNode {
  let node: TreeNode | undefined = root
  for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
    node = node?.kind === 'directory' ? node.entries.get(name) : undefined
  }
  if (node !== undefined) return node
  throw new SluiceError('SLUICE_NOT_FOUND', `${fromByteString(path).toString('utf8')} does not exist in the image`)
}

/** Also of a file whose digest the image does not record. */
function backingPath(content: LeafContent): ByteString | undefined {
  if (content.type === 'external-no-verity') return content.path
  return content.type === 'external' ? objectPath(content.id) : undefined
}

/**
 * Dumpfile lines for files of an image, directories with all below them; or with `backingPathOnly` where the content of
 * each file is: `PATH inline` or `PATH xx/rest`.
 */
export function* dumpFiles(
  repository: Repository,
  image: string,
  files: readonly string[],
  backingPathOnly: boolean,
): Generator<ByteString> {
  const root = loadErofsTree(openImage(repository, image), repository.algorithm)
  const references = countReferences(root)
  for (const file of files) {
    if (file === '') throw new SluiceError('SLUICE_USAGE', 'the path of a file is empty')
    const path = utf8ByteString(file)
    const node = lookup(root, path)
    if (node.kind === 'leaf') {
      yield backingPathOnly
        ? `${path} ${backingPath(node.content) ?? 'inline'}`
        : formatDumpLine(dumpLine(path, node, references.get(node) ?? 1))
    } else if (backingPathOnly) {
      throw new SluiceError('SLUICE_USAGE', `${file} is a directory`)
    } else {
      yield* writeDumpfile(node, path, references)
    }
  }
}

export interface MountImageOptions {
  readonly target: string
  readonly upperdir?: string
  readonly workdir?: string
  readonly readWrite?: boolean
}

/** Mounts the image of that id; in a secure repository the kernel checks every object that is read. */
export function mountImage(repository: Repository, id: ObjectId, name: string, options: MountImageOptions): void {
  const image = repository.objects.open(id)
  try {
    mountComposefs({
      ...options,
      image,
      objectsDir: repository.objects.directory,
      verity: repository.secure ? 'require' : 'off',
      source: `composefs:${name}`,
    })
  } finally {
    closeSync(image)
  }
}
