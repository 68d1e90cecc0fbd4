/** The objects of a commit from the file tree of an image, the way back from `commitTree` (ostree.md §5.5). */
import { naming, SluiceError } from '../../errors.js'
import { Breather } from '../../flow/breather.js'
import { displayByteString, fromByteString, type ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { writeDirmeta, type Ownership } from '../../formats/ostree/dirmeta.js'
import { writeDirtree, type DirtreeDirectory, type DirtreeFile } from '../../formats/ostree/dirtree.js'
import { FileIdHasher } from '../../formats/ostree/file-id.js'
import { writeSizedZlibHeader } from '../../formats/ostree/file-header.js'
import { inlineLimit } from '../../formats/ostree/limits.js'
import type { ObjectCollection } from '../../formats/ostree/object-collection.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { xattrsOfMap } from '../../formats/ostree/xattrs.js'
import {
  S_IFDIR,
  sortedEntries,
  typeBits,
  type Directory,
  type Leaf,
  type LeafContent,
} from '../../formats/tree/tree.js'
import type { Repository } from '../../repository/repository.js'
import { readObject } from '../splitstream/read.js'

export interface TreeObjectsOptions {
  /** Gets the objects. */
  readonly objects: ObjectCollection
  /** Names of xattrs stay without the zero byte that ostree has at their end, as with the reference (§5.5). */
  readonly parity: boolean
  readonly signal: AbortSignal | undefined
}

/** A directory: its entries and its metadata. */
export type DirectoryIds = Pick<DirtreeDirectory, 'tree' | 'meta'>

/**
 * Collects the objects of all directories and files. Contents that are larger than the limit for inline ones, and were
 * inline in the image, are stored.
 *
 * @throws SluiceError `SLUICE_UNSUPPORTED`, with the path: ostree has no such files, or no such names.
 */
export async function treeObjects(
  repository: Repository,
  root: Directory,
  options: TreeObjectsOptions,
): Promise<DirectoryIds> {
  return new TreeEncoder(repository, options).directory(root, '')
}

class TreeEncoder {
  readonly #repository: Repository
  readonly #options: TreeObjectsOptions
  readonly #breather: Breather
  /** Names of one file are one object. */
  readonly #files = new Map<Leaf, OstreeId>()

  constructor(repository: Repository, options: TreeObjectsOptions) {
    this.#repository = repository
    this.#options = options
    this.#breather = new Breather(options.signal)
  }

  async directory(directory: Directory, path: ByteString): Promise<DirectoryIds> {
    const files: DirtreeFile[] = []
    const directories: DirtreeDirectory[] = []
    for (const [name, node] of sortedEntries(directory)) {
      const childPath = `${path}/${name}`
      try {
        const text = utf8(name, 'its name')
        if (node.kind === 'leaf') files.push({ name: text, id: await this.#file(node) })
        else directories.push({ name: text, ...(await this.directory(node, childPath)) })
      } catch (error) {
        throw naming(error, displayByteString(childPath))
      }
    }
    const meta = this.#metadata(writeDirmeta(this.#ownership(directory, S_IFDIR)))
    return { tree: this.#metadata(writeDirtree({ files, directories })), meta }
  }

  async #file(leaf: Leaf): Promise<OstreeId> {
    const known = this.#files.get(leaf)
    if (known !== undefined) return known
    const { content } = leaf
    const refusal = refusals[content.type]
    if (refusal !== undefined) {
      throw new SluiceError('SLUICE_UNSUPPORTED', refusal, { hint: 'make the commit of an image without such files' })
    }
    const target = content.type === 'symlink' ? utf8(content.target, 'its target') : ''
    const header = { ...this.#ownership(leaf, typeBits(leaf)), target, size: sizeOf(content) }
    const hasher = new FileIdHasher(header)
    const inline = await this.#readContent(content, hasher)
    const id = hasher.digest()
    this.#files.set(leaf, id)
    const sized = writeSizedZlibHeader(header)
    if (header.size <= inlineLimit(this.#repository.algorithm)) {
      this.#options.objects.add(id, Buffer.concat([sized, ...inline]))
    } else {
      this.#options.objects.add(id, sized, this.#storeContent(content))
    }
    return id
  }

  /** Hashes the content; gives it if it may be short enough to be inline. */
  async #readContent(content: LeafContent, hasher: FileIdHasher): Promise<Uint8Array[]> {
    const limit = inlineLimit(this.#repository.algorithm)
    const kept: Uint8Array[] = []
    let size = 0
    for (const piece of this.#pieces(content)) {
      hasher.update(piece)
      size += piece.length
      if (size <= limit) kept.push(piece)
      await this.#breather.breathe()
    }
    if (size !== sizeOf(content)) {
      throw new SluiceError('SLUICE_CORRUPT', `it has ${size} bytes, and ${sizeOf(content)} by the image`)
    }
    return kept
  }

  #pieces(content: LeafContent): Iterable<Uint8Array> {
    if (content.type === 'inline') return [content.data]
    return content.type === 'external' ? readObject(this.#repository, content.id) : []
  }

  #storeContent(content: LeafContent): ObjectId {
    if (content.type === 'external') return content.id
    return this.#repository.objects.store(content.type === 'inline' ? content.data : new Uint8Array(0)).id
  }

  #ownership({ stat: { uid, gid, mode, xattrs } }: Directory | Leaf, type: number): Ownership {
    return { uid, gid, mode: type | (mode & 0o7777), xattrs: xattrsOfMap(xattrs, this.#options.parity) }
  }

  #metadata(bytes: Buffer): OstreeId {
    const id = hashMetadata(bytes)
    this.#options.objects.add(id, bytes)
    return id
  }
}

/** Files that no commit has. */
const refusals: Partial<Record<LeafContent['type'], string>> = {
  sparse: 'Sparse files not supported in ostree commit',
  'external-no-verity': 'the image does not say by which digest its content is stored',
  chr: 'ostree has no devices',
  blk: 'ostree has no devices',
  fifo: 'ostree has no named pipes',
  sock: 'ostree has no sockets',
}

function sizeOf(content: LeafContent): number {
  if (content.type === 'inline') return content.data.length
  return content.type === 'external' ? content.size : 0
}

function utf8(text: ByteString, what: string): string {
  const bytes = fromByteString(text)
  const decoded = bytes.toString('utf8')
  if (Buffer.from(decoded).equals(bytes)) return decoded
  throw new SluiceError('SLUICE_UNSUPPORTED', `${what} is not UTF-8, as ostree needs it`)
}
