/**
 * The objects of a commit while it is pulled, and the payload of its stream from them (ostree.md §4.2).
 *
 * A system has 100,000 objects: ids and places are in typed arrays, data in blocks of 1 MiB, 100 bytes or so an object.
 */
import { formatError } from '../../errors.js'
import type { ObjectId } from '../digest.js'
import { ObjectTableBuilder } from '../splitstream/write.js'
import {
  BLOCK,
  BUCKETS,
  BUCKETS_OFFSET,
  ENTRY_LENGTH,
  HEAD_LENGTH,
  MAX_BLOCKS,
  MAX_DATUM,
  MAX_OBJECTS,
  NO_EXTERNAL,
} from './commit-stream-format.js'
import { DataArea } from './data-area.js'
import { IdTable } from './id-table.js'
import { ID_LENGTH, ostreeIdToBytes, type OstreeId } from './ostree-id.js'

/** What is kept of an object. */
export interface CollectedObject {
  /** Metadata objects: the object. Files: the sized zlib header, and the content unless `external` is set. A view. */
  readonly data: Buffer
  /** The content in the repository. */
  readonly external?: ObjectId
}

export interface CommitPayload {
  /** Bytes. */
  readonly size: number
  /** The object table of the splitstream: each once, in order of first use. */
  readonly externals: readonly ObjectId[]
  /** The payload piece by piece; the pieces of one data block are views. */
  readonly pieces: () => Iterable<Buffer>
}

const padding = (length: number): number => (BLOCK - (length % BLOCK)) % BLOCK
const malformed = (message: string) => formatError('commit stream', message)

export class ObjectCollection {
  readonly #ids = new IdTable()
  readonly #area = new DataArea()
  readonly #externals = new Map<number, ObjectId>()

  get count(): number {
    return this.#ids.count
  }

  has(id: OstreeId): boolean {
    return this.#ids.indexOf(ostreeIdToBytes(id)) >= 0
  }

  get(id: OstreeId): CollectedObject | undefined {
    const index = this.#ids.indexOf(ostreeIdToBytes(id))
    if (index < 0) return undefined
    const external = this.#externals.get(index)
    const data = this.#area.at(index)
    return external === undefined ? { data } : { data, external }
  }

  /** As `get`, if it is all there is of the object. */
  data(id: OstreeId): Buffer | undefined {
    const found = this.get(id)
    return found?.external === undefined ? found?.data : undefined
  }

  /**
   * Copies `data`; an object that is there already stays as it is.
   *
   * @returns whether it was new.
   */
  add(id: OstreeId, data: Uint8Array, external?: ObjectId): boolean {
    if (data.length > MAX_DATUM) throw malformed(`an object of ${data.length} bytes is too large`)
    const index = this.#ids.count
    if (!this.#ids.add(ostreeIdToBytes(id))) return false
    if (index === MAX_OBJECTS) throw malformed('too many objects')
    this.#area.append(data)
    if (external !== undefined) this.#externals.set(index, external)
    return true
  }

  /** The payload of the stream of `commit`. @throws SluiceError `SLUICE_FORMAT`: the commit is not there. */
  payload(commit: OstreeId): CommitPayload {
    const order = this.#ids.sorted()
    const commitIndex = order.indexOf(this.#ids.indexOf(ostreeIdToBytes(commit)))
    if (commitIndex < 0) throw malformed(`commit ${commit} is not among its objects`)
    const externals = new ObjectTableBuilder()
    const { head, blocks } = this.#head(order, commitIndex, externals)
    const area = this.#area
    return {
      size: head.length + blocks * BLOCK,
      externals: externals.ids,
      *pieces() {
        yield head
        const zeros = Buffer.alloc(BLOCK)
        for (const index of order) {
          const data = area.at(index)
          if (data.length > 0) yield data
          if (padding(data.length) > 0) yield zeros.subarray(0, padding(data.length))
        }
      },
    }
  }

  /** Everything before the data, and how many blocks those take. */
  #head(order: Uint32Array, commitIndex: number, externals: ObjectTableBuilder): { head: Buffer; blocks: number } {
    const head = Buffer.alloc(HEAD_LENGTH + order.length * (ID_LENGTH + ENTRY_LENGTH))
    const ends = new Uint32Array(BUCKETS)
    let block = 0
    let entry = HEAD_LENGTH + order.length * ID_LENGTH
    for (let position = 0; position < order.length; position++) {
      const index = order[position]
      const id = this.#ids.at(index)
      head.set(id, HEAD_LENGTH + position * ID_LENGTH)
      ends[id[0]] = position + 1
      const length = this.#area.lengthAt(index)
      const external = this.#externals.get(index)
      head.writeUInt32LE(block, entry)
      head.writeUInt32LE(length, entry + 4)
      head.writeUInt32LE(external === undefined ? NO_EXTERNAL : externals.add(external), entry + 8)
      block += (length + padding(length)) / BLOCK
      if (block >= MAX_BLOCKS) throw malformed('the objects are too large for one stream')
      entry += ENTRY_LENGTH
    }
    head.writeUInt32LE(commitIndex, 0)
    let end = 0
    for (const [bucket, last] of ends.entries()) {
      end = Math.max(end, last)
      head.writeUInt32LE(end, BUCKETS_OFFSET + 4 * bucket)
    }
    return { head, blocks: block }
  }
}
