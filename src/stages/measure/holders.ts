/** What each ref of a repository holds: the same graph as a collection walks, root by root. */
import type { Breather } from '../../flow/breather.js'
import type { ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import type { Category } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import type { DigestTable } from '../walk/digest-table.js'
import { findMountedImages } from '../walk/mounted.js'
import { NamedStreams, readImage, readStream } from '../walk/references.js'
import { collectRoots, type CategoryRoots } from '../walk/roots.js'

/** Objects are numbers of a `DigestTable`. */
export interface StreamNode {
  readonly object: number
  readonly contentType: ByteString
  /** Objects of its chunks. */
  readonly content: Int32Array
  /** By named references. */
  readonly streams: readonly ObjectId[]
  readonly images: readonly ObjectId[]
}

export interface ImageNode {
  readonly id: ObjectId
  readonly object: number
  /** Objects of its files. */
  readonly content: Int32Array
}

/** A first-level entry that refs name, with all that it leads to. */
export interface Holder {
  readonly category: Category
  readonly entry: ByteString
  /** Paths of the refs, relative to the repository. */
  readonly refs: readonly ByteString[]
  readonly streams: readonly StreamNode[]
  /** The entry itself, if it is an image. */
  readonly image: ImageNode | undefined
  /** Images that its streams name; they live, and their files through the layers. */
  readonly namedImages: readonly ObjectId[]
}

export interface Holders {
  readonly holders: readonly Holder[]
  /** Images that a mount holds at this moment. */
  readonly mounted: readonly ImageNode[]
}

/**
 * Reads what a collection would read; every object that is referred to gets a number in `table`.
 *
 * @throws SluiceError as a collection: if a root, or anything that it needs to know, is missing or malformed.
 */
export async function readHolders(repository: Repository, table: DigestTable, breather: Breather): Promise<Holders> {
  const images = collectRoots(repository, 'images', [])
  const streams = collectRoots(repository, 'streams', [])
  const reader = new NodeReader(repository, table, streams)
  const holders: Holder[] = []
  for (const [entry, refs] of refsByEntry(images)) {
    await breather.breathe()
    const image = reader.image(images.roots.get(entry)!)
    holders.push({ category: 'images', entry, refs, streams: [], image, namedImages: [] })
  }
  for (const [entry, refs] of refsByEntry(streams)) {
    await breather.breathe()
    const reached = reader.streamsFrom(streams.roots.get(entry)!)
    const namedImages = [...new Set(reached.flatMap((stream) => stream.images))]
    holders.push({ category: 'streams', entry, refs, streams: reached, image: undefined, namedImages })
  }
  const mounted = findMountedImages(repository, new Set(images.entries.values()))
  return { holders, mounted: [...mounted].map((id) => reader.image(id)) }
}

function refsByEntry({ refs }: CategoryRoots): Map<ByteString, ByteString[]> {
  const byEntry = new Map<ByteString, ByteString[]>()
  for (const [path, entry] of refs) byEntry.set(entry, [...(byEntry.get(entry) ?? []), path])
  return byEntry
}

/** Reads each stream and image once: refs share most of them. */
class NodeReader {
  readonly #streams = new Map<ObjectId, StreamNode>()
  readonly #images = new Map<ObjectId, ImageNode>()
  readonly #named: NamedStreams

  constructor(
    readonly repository: Repository,
    readonly table: DigestTable,
    { entries }: CategoryRoots,
  ) {
    this.#named = new NamedStreams(entries)
  }

  streamsFrom(id: ObjectId): StreamNode[] {
    const seen = new Set([id])
    const nodes: StreamNode[] = []
    // Grows while it is walked.
    for (const next of seen) {
      const node = this.#stream(next)
      nodes.push(node)
      for (const reference of node.streams) seen.add(reference)
    }
    return nodes
  }

  image(id: ObjectId): ImageNode {
    let node = this.#images.get(id)
    if (node === undefined) {
      const content = Int32Array.from(readImage(this.repository, id), (object) => this.table.add(object))
      node = { id, object: this.table.add(id), content }
      this.#images.set(id, node)
    }
    return node
  }

  #stream(id: ObjectId): StreamNode {
    let node = this.#streams.get(id)
    if (node === undefined) {
      const { contentType, objectRefs, namedRefs } = readStream(this.repository, id, this.#named.nameOf(id))
      const isStream = ([reference, named]: [ByteString, ObjectId]) =>
        this.#named.nameOf(named) !== undefined || this.#named.displacedFrom(reference, named) !== undefined
      const streams = new Set([...namedRefs].filter(isStream).map(([, named]) => named))
      node = {
        object: this.table.add(id),
        contentType,
        content: this.table.addTable(objectRefs),
        streams: [...streams],
        images: [...new Set(namedRefs.values())].filter((named) => !streams.has(named)),
      }
      for (const image of node.images) this.table.add(image)
      this.#streams.set(id, node)
    }
    return node
  }
}
