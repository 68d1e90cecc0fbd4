/** A set of object ids that numbers them in the order in which they come. */
import { randomBytes } from 'node:crypto'
import type { ByteString } from '../../formats/bytes.js'
import type { ObjectTable } from '../../formats/splitstream/read.js'
import { digestLength, type HashAlgorithm, type ObjectId } from '../../formats/digest.js'

/** Digests in one piece of memory; a table that grows is not copied. */
const CHUNK_BITS = 14
const CHUNK_ENTRIES = 1 << CHUNK_BITS
const FIRST_SLOTS = 1 << 12

/**
 * Keeps raw digests outside the heap: a million SHA-512 ids take 72 MB; as hex in a Set 165 MB, and four times the time.
 * The hash is seeded, so that ids made up for it do not fall into one slot.
 */
export class DigestTable {
  readonly #words: number
  readonly #chunks: Int32Array[] = []
  /** Open addressing, at most half full: number of a digest + 1, 0 where there is none. */
  #slots = new Int32Array(FIRST_SLOTS)
  #size = 0
  /** The digest of an id or name that is looked for. */
  readonly #key: Int32Array
  readonly #keyBytes: Buffer
  readonly #seeds: Int32Array

  constructor(algorithm: HashAlgorithm) {
    this.#words = digestLength[algorithm] / 4
    this.#keyBytes = Buffer.alloc(4 * this.#words)
    this.#key = new Int32Array(this.#keyBytes.buffer, this.#keyBytes.byteOffset, this.#words)
    this.#seeds = new Int32Array(new Uint8Array(randomBytes(4 * this.#words)).buffer).map((seed) => seed | 1)
  }

  get size(): number {
    return this.#size
  }

  /** The number of `id`, from 0, which it gets if it is not there. */
  add(id: ObjectId): number {
    this.#keyBytes.write(id, 'hex')
    return this.#add(this.#key, 0)
  }

  addAll(ids: Iterable<ObjectId>): void {
    for (const id of ids) this.add(id)
  }

  /** The numbers of all ids of a splitstream's table; those that are not there are added. */
  addTable({ bytes, length }: ObjectTable): Int32Array {
    const words = new Int32Array(new Uint8Array(bytes).buffer)
    const numbers = new Int32Array(length)
    this.#reserve(this.#size + length)
    for (let i = 0; i < length; i++) numbers[i] = this.#add(words, i * this.#words)
    return numbers
  }

  has(id: ObjectId): boolean {
    return this.numberOf(id) >= 0
  }

  /** -1 if it is not there. */
  numberOf(id: ObjectId): number {
    this.#keyBytes.write(id, 'hex')
    return this.#slots[this.#slot(this.#key, 0)] - 1
  }

  /**
   * As `numberOf`, for the file `objects/<directory>/<name>`; undefined if that is not the name of an object. Hex of
   * either case names one (repository.md §5.4).
   */
  numberOfFile(directory: number, name: ByteString): number | undefined {
    if (!this.#readName(directory, name)) return undefined
    return this.#slots[this.#slot(this.#key, 0)] - 1
  }

  /** As `add`, for the file `objects/<directory>/<name>`; undefined if that is not the name of an object. */
  addFile(directory: number, name: ByteString): number | undefined {
    return this.#readName(directory, name) ? this.#add(this.#key, 0) : undefined
  }

  /** The id with that number. */
  at(number: number): ObjectId {
    const words = this.#chunks[number >> CHUNK_BITS]
    const at = (number & (CHUNK_ENTRIES - 1)) * this.#words
    return Buffer.from(words.buffer, 4 * at, 4 * this.#words).toString('hex') as ObjectId
  }

  // Bytes, as the decoder of hex looks at the low byte of each character only.
  #readName(directory: number, name: ByteString): boolean {
    const length = this.#keyBytes.length - 1
    this.#keyBytes[0] = directory
    return name.length === 2 * length && this.#keyBytes.write(name, 1, 'hex') === length
  }

  #add(words: Int32Array, at: number): number {
    const slot = this.#slot(words, at)
    if (this.#slots[slot] > 0) return this.#slots[slot] - 1
    const number = this.#size++
    if (number >> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new Int32Array(CHUNK_ENTRIES * this.#words))
    const place = (number & (CHUNK_ENTRIES - 1)) * this.#words
    const chunk = this.#chunks[number >> CHUNK_BITS]
    for (let i = 0; i < this.#words; i++) chunk[place + i] = words[at + i]
    this.#slots[slot] = number + 1
    this.#reserve(this.#size)
    return number
  }

  /** Where the digest at `at` of `words` is, or would be. */
  #slot(words: Int32Array, at: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hash(words, at) & mask
    while (slots[slot] > 0 && !this.#isSame(slots[slot] - 1, words, at)) slot = (slot + 1) & mask
    return slot
  }

  #isSame(number: number, words: Int32Array, at: number): boolean {
    const length = this.#words
    const chunk = this.#chunks[number >> CHUNK_BITS]
    const place = (number & (CHUNK_ENTRIES - 1)) * length
    for (let i = 0; i < length; i++) if (chunk[place + i] !== words[at + i]) return false
    return true
  }

  #hash(words: Int32Array, at: number): number {
    const seeds = this.#seeds
    let hash = 0
    for (let i = 0; i < seeds.length; i++) hash = (hash + Math.imul(words[at + i] ^ (hash >>> 15), seeds[i])) | 0
    return hash ^ (hash >>> 16)
  }

  /** Makes room for `size` digests. */
  #reserve(size: number): void {
    let length = this.#slots.length
    while (length < 2 * size) length *= 2
    if (length === this.#slots.length) return
    const slots = new Int32Array(length)
    const mask = length - 1
    for (let number = 0; number < this.#size; number++) {
      const at = (number & (CHUNK_ENTRIES - 1)) * this.#words
      let slot = this.#hash(this.#chunks[number >> CHUNK_BITS], at) & mask
      while (slots[slot] > 0) slot = (slot + 1) & mask
      slots[slot] = number + 1
    }
    this.#slots = slots
  }
}
