/**
 * fs-verity digests in userspace (repository.md §1): 4096-byte blocks, no salt, SHA-256 or SHA-512.
 *
 * The tree is built while the data passes: each level holds at most one block of hashes, so memory is 4 KiB a level
 * whatever the size of the file.
 */
import { hash } from 'node:crypto'
import { digestLength, verityAlgorithmNumber, type HashAlgorithm, type ObjectId } from '../digest.js'

export const VERITY_BLOCK_SIZE = 4096
export const VERITY_BLOCK_BITS = 12

const DESCRIPTOR_SIZE = 256

/** Computes the fs-verity digest of a byte stream fed in pieces of any size. */
export class VerityHasher {
  readonly #algorithm: HashAlgorithm
  readonly #hashLength: number
  readonly #block = Buffer.alloc(VERITY_BLOCK_SIZE)
  #blockUsed = 0
  #size = 0
  /** Open block of hashes per level, and how many hashes the level has seen in all. */
  readonly #levels: { readonly block: Buffer; used: number; count: number }[] = []

  constructor(algorithm: HashAlgorithm) {
    this.#algorithm = algorithm
    this.#hashLength = digestLength[algorithm]
  }

  /** Bytes fed so far. */
  get size(): number {
    return this.#size
  }

  update(data: Uint8Array): void {
    this.#size += data.length
    let at = 0
    if (this.#blockUsed > 0) {
      at = Math.min(VERITY_BLOCK_SIZE - this.#blockUsed, data.length)
      this.#block.set(at === data.length ? data : data.subarray(0, at), this.#blockUsed)
      this.#blockUsed += at
      if (this.#blockUsed < VERITY_BLOCK_SIZE) return
      this.#addHash(0, this.#hash(this.#block))
      this.#blockUsed = 0
    }
    for (; at + VERITY_BLOCK_SIZE <= data.length; at += VERITY_BLOCK_SIZE) {
      this.#addHash(0, this.#hash(data.subarray(at, at + VERITY_BLOCK_SIZE)))
    }
    if (at < data.length) {
      this.#block.set(data.subarray(at))
      this.#blockUsed = data.length - at
    }
  }

  /** The root hash of the Merkle tree; all zero for an empty file. Ends the hasher. */
  #rootHash(): Uint8Array {
    if (this.#size === 0) return Buffer.alloc(this.#hashLength)
    if (this.#blockUsed > 0) this.#addHash(0, this.#hash(this.#block.fill(0, this.#blockUsed)))
    for (let level = 0; ; level++) {
      const { block, used, count } = this.#levels[level]
      if (count === 1) return block.subarray(0, this.#hashLength)
      if (used > 0) this.#addHash(level + 1, this.#hash(block.fill(0, used)))
    }
  }

  /** The digest. Call once, after the last `update`. */
  digest(): ObjectId {
    const descriptor = Buffer.alloc(DESCRIPTOR_SIZE)
    descriptor[0] = 1
    descriptor[1] = verityAlgorithmNumber[this.#algorithm]
    descriptor[2] = VERITY_BLOCK_BITS
    descriptor.writeBigUInt64LE(BigInt(this.#size), 8)
    descriptor.set(this.#rootHash(), 16)
    return hash(this.#algorithm, descriptor, 'hex') as ObjectId
  }

  #hash(block: Uint8Array): Buffer {
    return hash(this.#algorithm, block, 'buffer')
  }

  #addHash(level: number, value: Uint8Array): void {
    const state = (this.#levels[level] ??= { block: Buffer.alloc(VERITY_BLOCK_SIZE), used: 0, count: 0 })
    state.block.set(value, state.used)
    state.used += this.#hashLength
    state.count++
    if (state.used < VERITY_BLOCK_SIZE) return
    state.used = 0
    // The block is hashed before anything overwrites it; a level whose only block is full still has count > 1.
    this.#addHash(level + 1, this.#hash(state.block))
  }
}

/** The fs-verity digest of `data`. */
export function verityDigest(algorithm: HashAlgorithm, data: Uint8Array): ObjectId {
  const hasher = new VerityHasher(algorithm)
  hasher.update(data)
  return hasher.digest()
}

/** `fsverity-sha512-12`, the name of an algorithm in meta.json (repository.md §1). */
export function verityAlgorithmName(algorithm: HashAlgorithm): string {
  return `fsverity-${algorithm}-${VERITY_BLOCK_BITS}`
}
