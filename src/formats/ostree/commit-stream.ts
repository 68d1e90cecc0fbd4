/**
 * Reading the payload of a commit stream (ostree.md §4.2, §4.4): a table of object ids with the data of each. It stays
 * as it was read; looking up an id is a binary search in one of 256 buckets.
 */
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'
import { BLOCK, BUCKETS, BUCKETS_OFFSET, ENTRY_LENGTH, HEAD_LENGTH, NO_EXTERNAL } from './commit-stream-format.js'
import { ID_LENGTH, ostreeIdFromBytes, ostreeIdToBytes, type OstreeId } from './ostree-id.js'

/** What a stream holds of an object. */
export interface CommitStreamObject {
  /** Metadata objects: the object. Files: the sized zlib header, and the content unless `external` is set. A view. */
  readonly data: Buffer
  /** Number of the content in the object table of the splitstream. */
  readonly external?: number
}

const malformed = (message: string) => formatError('commit stream', message)

export class CommitStream {
  readonly #payload: Buffer
  /** Objects in all. */
  readonly count: number
  /** The commit. */
  readonly commit: OstreeId

  /**
   * @param payload the one inline chunk of the splitstream.
   * @param externals entries in the object table of the splitstream.
   * @throws SluiceError `SLUICE_FORMAT`
   */
  constructor(payload: Uint8Array, externals: number) {
    this.#payload = asBuffer(payload)
    if (payload.length < HEAD_LENGTH) throw malformed(`it ends after ${payload.length} bytes, in its head`)
    this.count = this.#bucketEnd(BUCKETS - 1)
    if (HEAD_LENGTH + this.count * (ID_LENGTH + ENTRY_LENGTH) > payload.length) {
      throw malformed(`it states ${this.count} objects, which its ${payload.length} bytes cannot hold`)
    }
    this.#checkIds()
    this.#checkEntries(externals)
    const commit = this.#payload.readUInt32LE(0)
    if (commit >= this.count) throw malformed(`commit ${commit} of ${this.count} objects`)
    this.commit = this.idAt(commit)
  }

  /** What is held under an id, or undefined. */
  get(id: OstreeId): CommitStreamObject | undefined {
    const index = this.#indexOf(ostreeIdToBytes(id))
    return index < 0 ? undefined : this.at(index)
  }

  /** What is held under an id if it is all there is of the object: commits, dirtrees, dirmetas, files inline. */
  data(id: OstreeId): Buffer | undefined {
    const found = this.get(id)
    return found?.external === undefined ? found?.data : undefined
  }

  /** @param index 0 to `count` - 1; ids ascend. */
  idAt(index: number): OstreeId {
    return ostreeIdFromBytes(this.#idBytes(index))
  }

  /** @param index 0 to `count` - 1. */
  at(index: number): CommitStreamObject {
    const entry = this.#entries + index * ENTRY_LENGTH
    const start = this.#data + this.#payload.readUInt32LE(entry) * BLOCK
    const data = this.#payload.subarray(start, start + this.#payload.readUInt32LE(entry + 4))
    const external = this.#payload.readUInt32LE(entry + 8)
    return external === NO_EXTERNAL ? { data } : { data, external }
  }

  get #entries(): number {
    return HEAD_LENGTH + this.count * ID_LENGTH
  }

  get #data(): number {
    return this.#entries + this.count * ENTRY_LENGTH
  }

  #bucketEnd(bucket: number): number {
    return this.#payload.readUInt32LE(BUCKETS_OFFSET + 4 * bucket)
  }

  #idBytes(index: number): Buffer {
    const start = HEAD_LENGTH + index * ID_LENGTH
    return this.#payload.subarray(start, start + ID_LENGTH)
  }

  /** The place of an id, or -1. */
  #indexOf(id: Buffer): number {
    let low = id[0] === 0 ? 0 : this.#bucketEnd(id[0] - 1)
    let high = this.#bucketEnd(id[0])
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = HEAD_LENGTH + middle * ID_LENGTH
      const order = this.#payload.compare(id, 0, ID_LENGTH, at, at + ID_LENGTH)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** Ids ascend, and each is in the bucket of its first byte. */
  #checkIds(): void {
    let start = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const end = this.#bucketEnd(bucket)
      if (end < start || end > this.count) throw malformed('Invalid commit bucket data')
      for (let index = start; index < end; index++) {
        const at = HEAD_LENGTH + index * ID_LENGTH
        if (this.#payload[at] !== bucket) throw malformed(`id ${index} is in the wrong bucket`)
        if (index > 0 && this.#payload.compare(this.#payload, at - ID_LENGTH, at, at, at + ID_LENGTH) <= 0) {
          throw malformed(`id ${index} is out of order`)
        }
      }
      start = end
    }
  }

  #checkEntries(externals: number): void {
    const room = this.#payload.length - this.#data
    for (let index = 0; index < this.count; index++) {
      const entry = this.#entries + index * ENTRY_LENGTH
      const end = this.#payload.readUInt32LE(entry) * BLOCK + this.#payload.readUInt32LE(entry + 4)
      if (end > room) throw malformed(`the data of object ${index} ends behind the stream`)
      const external = this.#payload.readUInt32LE(entry + 8)
      if (external !== NO_EXTERNAL && external >= externals) {
        throw malformed(`object ${index} refers to external object ${external} of ${externals}`)
      }
    }
  }
}
