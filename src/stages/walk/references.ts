/** What a stream or an image of a repository refers to (repository.md §5.1). */
import { withContext } from '../../errors.js'
import { displayByteString, type ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { listErofsObjects } from '../../formats/erofs/list-objects.js'
import { openErofs } from '../../formats/erofs/open.js'
import type { Splitstream } from '../../formats/splitstream/read.js'
import { streamName } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../formats/erofs/format.js'

/** The tables of a splitstream. @param name as it is linked in `streams/`, if it is, for errors. */
export function readStream(repository: Repository, id: ObjectId, name: ByteString = id): Splitstream {
  const stream = repository.openStreamObject(id, `stream ${displayByteString(name)}`)
  stream.close()
  return stream
}

/** Which of the objects that a stream names are streams themselves. */
export class NamedStreams {
  readonly #entries: ReadonlyMap<ByteString, ObjectId>
  readonly #nameOf: ReadonlyMap<ObjectId, ByteString>

  /** @param entries the first level of `streams/`. */
  constructor(entries: ReadonlyMap<ByteString, ObjectId>) {
    this.#entries = entries
    this.#nameOf = new Map([...entries].map(([name, id]) => [id, name]))
  }

  nameOf(id: ObjectId): ByteString | undefined {
    return this.#nameOf.get(id)
  }

  /**
   * The name that the object behind a named reference had, if a link of that name leads to another stream by now. Images with
   * the same config, and artifacts with the empty one, have a stream of it each where these refer to different layers or
   * images; the last one has the link, and each manifest names its own (oci.md §3.3).
   */
  displacedFrom(reference: ByteString, id: ObjectId): ByteString | undefined {
    if (this.#nameOf.has(id)) return undefined
    const [, config, digest] = STREAM_REFERENCE.exec(reference) ?? []
    if (digest === undefined) return undefined
    const name = config === undefined ? streamName.layer(digest) : streamName.config(digest)
    return this.#entries.has(name) ? name : undefined
  }
}

/** How manifests name configs, and both of them layers (repository.md §3.7). */
const STREAM_REFERENCE = /^(config:)?(sha[0-9]+:[0-9a-f]+)$/

/** The objects of the files of an image, sorted. */
export function readImage(repository: Repository, id: ObjectId): ObjectId[] {
  try {
    return listErofsObjects(openErofs(repository.objects.read(id, MAX_IMAGE_SIZE)), repository.algorithm)
  } catch (error) {
    throw withContext(error, `image ${id}`)
  }
}
