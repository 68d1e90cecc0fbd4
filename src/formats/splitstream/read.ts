/** Reading a splitstream: header, reference tables and names (repository.md §3, §4), without its stream section. */
import { formatError } from '../../errors.js'
import { asBuffer, type ByteString } from '../bytes.js'
import { digestLength, verityAlgorithmNumber, type HashAlgorithm, type ObjectId } from '../digest.js'
import { quote } from '../quote.js'
import { VERITY_BLOCK_BITS } from '../verity/digest.js'
import { decompressSection } from '../zstd/decompress.js'
import {
  HEADER_SIZE,
  headerLayout,
  INFO_SIZE,
  infoLayout,
  MAGIC,
  MAX_NAMED_REFS,
  MAX_NAMED_REFS_BYTES,
  oldHeaderLayout,
  VERSION,
} from './format.js'

/** Random access to the bytes of a file; `read` gives exactly the range, which lies inside `size`. */
export interface ByteSource {
  readonly size: number
  read(offset: number, length: number): Uint8Array
}

/** Half-open byte range in the file. */
export interface Range {
  readonly start: number
  readonly end: number
}

export interface Splitstream {
  /** 8 bytes; see `contentType` in format.ts. */
  readonly contentType: ByteString
  /** Length of the merged stream as the writer stated it; informational, never to be trusted. */
  readonly size: bigint
  /** Streams and images with names, in table order. */
  readonly streamRefs: readonly ObjectId[]
  readonly objectRefs: ObjectTable
  /** Name to object id of the stream or image. */
  readonly namedRefs: ReadonlyMap<string, ObjectId>
  /** The compressed chunks. */
  readonly stream: Range
}

/** Object ids as one run of raw digests: a layer has 100,000 of them. */
export class ObjectTable implements Iterable<ObjectId> {
  readonly #bytes: Buffer
  readonly #width: number

  constructor(bytes: Uint8Array, algorithm: HashAlgorithm) {
    this.#bytes = asBuffer(bytes)
    this.#width = digestLength[algorithm]
  }

  static of(ids: readonly ObjectId[], algorithm: HashAlgorithm): ObjectTable {
    return new ObjectTable(Buffer.from(ids.join(''), 'hex'), algorithm)
  }

  get length(): number {
    return this.#bytes.length / this.#width
  }

  /** The raw digests, one after the other. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** @param index 0 to length - 1. */
  at(index: number): ObjectId {
    return this.#bytes.toString('hex', index * this.#width, (index + 1) * this.#width) as ObjectId
  }

  /** The first byte of the digest: the directory of the object. @param index 0 to length - 1. */
  firstByte(index: number): number {
    return this.#bytes[index * this.#width]
  }

  *[Symbol.iterator](): Iterator<ObjectId> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }
}

const malformed = (message: string, cause?: unknown) =>
  formatError('splitstream', message, cause === undefined ? {} : { cause })

/** A range field: inside the file and not backwards. `clampEnd` accepts an end beyond the file (the stream section, §4). */
function readRange(bytes: Buffer, at: number, fileSize: number, what: string, clampEnd = false): Range {
  const start = bytes.readBigUInt64LE(at)
  const end = bytes.readBigUInt64LE(at + 8)
  const limit = BigInt(fileSize)
  if (start > end || start > limit || (end > limit && !clampEnd)) {
    throw malformed(`the ${what} range ${start}..${end} lies outside the file of ${fileSize} bytes`)
  }
  return { start: Number(start), end: Number(end > limit ? limit : end) }
}

function readTable(source: ByteSource, range: Range, algorithm: HashAlgorithm, what: string): ObjectTable {
  const length = range.end - range.start
  if (length % digestLength[algorithm] !== 0) throw malformed(`the ${what} table holds a part of a digest`)
  return new ObjectTable(source.read(range.start, length), algorithm)
}

/** Parses `index:name` records, each ended by a zero byte (§3.4). */
function parseNamedRefs(bytes: Buffer, refs: readonly ObjectId[]): Map<string, ObjectId> {
  const names = new Map<string, ObjectId>()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  for (let at = 0, count = 0; at < bytes.length; count++) {
    if (count >= MAX_NAMED_REFS) throw malformed(`more than ${MAX_NAMED_REFS} named references`)
    const end = bytes.indexOf(0, at)
    if (end < 0) throw malformed('the last named reference is not ended by a zero byte')
    let record: string
    try {
      record = decoder.decode(bytes.subarray(at, end))
    } catch (error) {
      throw malformed('a named reference is not UTF-8', error)
    }
    const colon = record.indexOf(':')
    const index = record.slice(0, Math.max(colon, 0))
    // Leading zeros and one `+` are accepted, as by the reference.
    if (colon < 0 || !/^\+?[0-9]+$/.test(index)) throw malformed(`not a named reference: ${quote(record)}`)
    const id = refs[Number(index)]
    if (id === undefined) throw malformed(`named reference ${quote(record)} points outside the table`)
    names.set(record.slice(colon + 1), id)
    at = end + 1
  }
  return names
}

/**
 * Reads everything but the stream section, in the order of checks of repository.md §4.
 *
 * @throws SluiceError `SLUICE_FORMAT`; nothing is allocated by a stated size before it was compared with the file's.
 */
export function readSplitstream(source: ByteSource, algorithm: HashAlgorithm, expectedType?: ByteString): Splitstream {
  if (source.size < HEADER_SIZE) throw malformed('shorter than its header')
  const header = asBuffer(source.read(0, HEADER_SIZE))
  const layout = [headerLayout, oldHeaderLayout].find(
    ({ magic }) => header.toString('latin1', magic, magic + MAGIC.length) === MAGIC,
  )
  if (layout === undefined) throw malformed('no magic: not a splitstream')
  if (header[layout.version] !== VERSION) throw malformed(`unknown version ${header[layout.version]}`)
  if (header[layout.algorithm] !== verityAlgorithmNumber[algorithm]) {
    throw malformed(`made for another hash algorithm (${header[layout.algorithm]}) than ${algorithm}`)
  }
  if (header[layout.blockBits] !== VERITY_BLOCK_BITS)
    throw malformed(`unknown block size 2^${header[layout.blockBits]}`)

  const infoRange = readRange(header, layout.infoRange, source.size, 'info')
  if (infoRange.end - infoRange.start < INFO_SIZE) throw malformed('the info section is too short')
  const info = asBuffer(source.read(infoRange.start, INFO_SIZE))
  const type = info.toString('latin1', infoLayout.contentType, infoLayout.contentType + 8)
  if (expectedType !== undefined && type !== expectedType) {
    throw malformed(`content type is ${JSON.stringify(type)}, not ${JSON.stringify(expectedType)}`)
  }

  const range = (at: number, what: string) => readRange(info, at, source.size, what)
  const streamRefs = [...readTable(source, range(infoLayout.streamRefs, 'stream refs'), algorithm, 'stream refs')]
  const objectRefs = readTable(source, range(infoLayout.objectRefs, 'object refs'), algorithm, 'object refs')
  const named = range(infoLayout.namedRefs, 'named refs')
  const compressed = source.read(named.start, named.end - named.start)
  let names: Buffer
  try {
    names = decompressSection(compressed, MAX_NAMED_REFS_BYTES)
  } catch (error) {
    throw malformed('the named references cannot be decompressed', error)
  }
  return {
    contentType: type,
    size: info.readBigUInt64LE(infoLayout.size),
    streamRefs,
    objectRefs,
    namedRefs: parseNamedRefs(names, streamRefs),
    stream: readRange(info, infoLayout.stream, source.size, 'stream', true),
  }
}
