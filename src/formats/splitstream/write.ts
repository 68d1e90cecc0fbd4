/** Everything of a splitstream file before its stream section (repository.md §3.1 to §3.4). */
import { digestLength, objectIdToBytes, verityAlgorithmNumber, type HashAlgorithm, type ObjectId } from '../digest.js'
import type { ByteString } from '../bytes.js'
import { VERITY_BLOCK_BITS } from '../verity/digest.js'
import { HEADER_SIZE, headerLayout, INFO_SIZE, infoLayout, MAGIC, VERSION } from './format.js'

/** A table of object ids in first-use order, each once. */
export class ObjectTableBuilder {
  readonly #indexes = new Map<ObjectId, number>()

  /** The index of `id`, which is appended if new. */
  add(id: ObjectId): number {
    const known = this.#indexes.get(id)
    if (known !== undefined) return known
    const index = this.#indexes.size
    this.#indexes.set(id, index)
    return index
  }

  get ids(): ObjectId[] {
    return [...this.#indexes.keys()]
  }
}

/** The names section before compression: sorted by their UTF-8 bytes; a name set twice keeps the last value. */
export function encodeNamedRefs(names: ReadonlyMap<string, number>): Buffer {
  const records = [...names].map(([name, index]) => ({ name: Buffer.from(name), index }))
  records.sort((a, b) => Buffer.compare(a.name, b.name))
  return Buffer.concat(records.flatMap(({ name, index }) => [Buffer.from(`${index}:`), name, Buffer.from([0])]))
}

export interface SplitstreamParts {
  readonly algorithm: HashAlgorithm
  /** 8 bytes. */
  readonly contentType: ByteString
  /** Length of the merged stream in bytes. */
  readonly size: number
  readonly streamRefs: readonly ObjectId[]
  readonly objectRefs: readonly ObjectId[]
  /** Compressed; never empty. */
  readonly namedRefs: Uint8Array
  /** Bytes of the compressed stream section that will follow. */
  readonly streamLength: number
}

/** The file up to its stream section, which the caller appends. */
export function encodeSplitstreamHead(parts: SplitstreamParts): Buffer {
  const width = digestLength[parts.algorithm]
  const streamRefs = HEADER_SIZE + INFO_SIZE
  const objectRefs = streamRefs + parts.streamRefs.length * width
  const namedRefs = objectRefs + parts.objectRefs.length * width
  const stream = namedRefs + parts.namedRefs.length
  const head = Buffer.alloc(stream)

  head.write(MAGIC, headerLayout.magic, 'latin1')
  head[headerLayout.version] = VERSION
  head[headerLayout.algorithm] = verityAlgorithmNumber[parts.algorithm]
  head[headerLayout.blockBits] = VERITY_BLOCK_BITS
  const range = (at: number, start: number, end: number) => {
    head.writeBigUInt64LE(BigInt(start), at)
    head.writeBigUInt64LE(BigInt(end), at + 8)
  }
  range(headerLayout.infoRange, HEADER_SIZE, streamRefs)
  range(HEADER_SIZE + infoLayout.streamRefs, streamRefs, objectRefs)
  range(HEADER_SIZE + infoLayout.objectRefs, objectRefs, namedRefs)
  range(HEADER_SIZE + infoLayout.namedRefs, namedRefs, stream)
  range(HEADER_SIZE + infoLayout.stream, stream, stream + parts.streamLength)
  head.write(parts.contentType, HEADER_SIZE + infoLayout.contentType, 'latin1')
  head.writeBigUInt64LE(BigInt(parts.size), HEADER_SIZE + infoLayout.size)

  let at = streamRefs
  for (const id of [...parts.streamRefs, ...parts.objectRefs]) at += objectIdToBytes(id).copy(head, at)
  head.set(parts.namedRefs, namedRefs)
  return head
}
