/** The config and manifest of an image as streams: what refers to what, and in which order (oci.md §3.2, repository.md §3.7). */
import type { Digest, ObjectId } from '../../formats/digest.js'
import { contentType } from '../../formats/splitstream/format.js'
import { verityDigest } from '../../formats/verity/digest.js'
import { streamName } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import type { StoredDocument } from '../../repository/stored-image.js'
import { encodeDocumentStream, type DocumentStream } from './document.js'

export type NamedRef = readonly [name: string, id: ObjectId]

export interface ImageDocuments {
  readonly config: { readonly digest: Digest; readonly bytes: Uint8Array; readonly stored: StoredDocument | undefined }
  readonly manifest: {
    readonly digest: Digest
    readonly bytes: Uint8Array
    readonly stored: StoredDocument | undefined
  }
  /** Layer identifiers in config order, with their streams. */
  readonly layers: readonly NamedRef[]
  /** `composefs.image…`; none for an artifact. */
  readonly images: readonly NamedRef[]
}

export interface EncodedDocuments {
  readonly configStream: ObjectId
  readonly manifestStream: ObjectId
  /** Contents of the objects to store. */
  readonly objects: readonly Uint8Array[]
}

const byName = ([a]: NamedRef, [b]: NamedRef) => (a < b ? -1 : a > b ? 1 : 0)
const isBootRef = ([name]: NamedRef) => name.startsWith('composefs.image.boot')

/** The stream to use for a document: the stored one if it refers to the same, whoever wrote it (repository.md §3.8). */
async function encode(repository: Repository, stream: DocumentStream, stored: StoredDocument | undefined) {
  const wanted = new Map(stream.namedRefs)
  const same =
    stored?.namedRefs.size === wanted.size && [...wanted].every(([name, id]) => stored.namedRefs.get(name) === id)
  if (stored !== undefined && same) return { id: stored.stream, objects: [] }
  const bytes = await encodeDocumentStream(repository.algorithm, stream)
  return { id: verityDigest(repository.algorithm, bytes), objects: [stream.document, bytes] }
}

/** Encodes both; nothing is stored. Boot images that the stored config names are kept. */
export async function encodeImageDocuments(repository: Repository, image: ImageDocuments): Promise<EncodedDocuments> {
  const bootRefs = [...(image.config.stored?.namedRefs ?? [])].filter(isBootRef)
  const config = await encode(
    repository,
    {
      contentType: contentType.config,
      document: image.config.bytes,
      namedRefs: [...image.layers, ...image.images.toSorted(byName), ...bootRefs.toSorted(byName)],
    },
    image.config.stored,
  )
  const manifest = await encode(
    repository,
    {
      contentType: contentType.manifest,
      document: image.manifest.bytes,
      namedRefs: [[`config:${image.config.digest}`, config.id], ...image.layers],
    },
    image.manifest.stored,
  )
  return { configStream: config.id, manifestStream: manifest.id, objects: [...config.objects, ...manifest.objects] }
}

/** Stores both and, once they are on disk, gives them their names. */
export async function registerImage(
  repository: Repository,
  image: ImageDocuments,
  encoded: EncodedDocuments,
): Promise<void> {
  // They were read, and on disk before they got their names.
  if (isRegistered(image, encoded)) return
  for (const object of encoded.objects) repository.objects.replace(object)
  await repository.sync()
  repository.streams.link(streamName.config(image.config.digest), encoded.configStream)
  repository.streams.link(streamName.manifest(image.manifest.digest), encoded.manifestStream)
}

function isRegistered({ config, manifest }: ImageDocuments, encoded: EncodedDocuments): boolean {
  return config.stored?.stream === encoded.configStream && manifest.stored?.stream === encoded.manifestStream
}
