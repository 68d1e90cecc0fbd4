/** The splitstream of a manifest or config: one external chunk with the exact bytes, and names (repository.md §3.6, §3.7). */
import type { ByteString } from '../../formats/bytes.js'
import type { HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { encodeNamedRefs, encodeSplitstreamHead, ObjectTableBuilder } from '../../formats/splitstream/write.js'
import { verityDigest } from '../../formats/verity/digest.js'
import { compressSection } from './compress.js'

export interface DocumentStream {
  /** 8 bytes. */
  readonly contentType: ByteString
  readonly document: Uint8Array
  /** In the order in which the table of references is written. */
  readonly namedRefs: readonly (readonly [name: string, id: ObjectId])[]
}

/** The bytes of the splitstream file; the document itself is another object. */
export async function encodeDocumentStream(algorithm: HashAlgorithm, stream: DocumentStream): Promise<Buffer> {
  const refs = new ObjectTableBuilder()
  const names = new Map(stream.namedRefs.map(([name, id]) => [name, refs.add(id)]))
  const firstObject = Buffer.alloc(8)
  const section = await compressSection(firstObject)
  const head = encodeSplitstreamHead({
    algorithm,
    contentType: stream.contentType,
    size: stream.document.length,
    streamRefs: refs.ids,
    objectRefs: [verityDigest(algorithm, stream.document)],
    namedRefs: await compressSection(encodeNamedRefs(names)),
    streamLength: section.length,
  })
  return Buffer.concat([head, section])
}
