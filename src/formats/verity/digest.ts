/**
 * fs-verity digests in userspace (repository.md §1): 4096-byte blocks, no salt, SHA-256 or SHA-512.
 *
 * Blocks can be hashed by many threads; their hashes, put together in order, give the tree. Each level of it holds at most
 * one block of hashes, so memory is 4 KiB a level whatever the size of the file.
 */
import { hash } from 'node:crypto'
import { digestLength, objectIdFromBytes, verityAlgorithmNumber, type HashAlgorithm, type ObjectId } from '../digest.js'

export const VERITY_BLOCK_SIZE = 4096
export const VERITY_BLOCK_BITS = 12

const DESCRIPTOR_SIZE = 256

/** The hashes of messages of 1 to 4096 bytes, one after the other. */
export type HashMessages = (algorithm: HashAlgorithm, messages: readonly Uint8Array[]) => Buffer

/** Hashes messages one by one; a library that hashes several at a time may take its place. */
export const hashEach: HashMessages = (algorithm, messages) => {
  const hashLength = digestLength[algorithm]
  const hashes = Buffer.allocUnsafe(messages.length * hashLength)
  messages.forEach((message, i) => hashes.set(hash(algorithm, message, 'buffer'), i * hashLength))
  return hashes
}

/** Files whose digests are computed together. */
const GROUP_FILES = 128
/**
 * What is hashed beside the blocks themselves, 544 KiB, made on the first use: for each file of a group its last block with
 * the zeros behind it, and its descriptor. In use only while a call runs, and always the same: libraries want its address.
 */
let scratch: Buffer | undefined

function scratchAt(offset: number, length: number): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(GROUP_FILES * (VERITY_BLOCK_SIZE + DESCRIPTOR_SIZE))
  return scratch.subarray(offset, offset + length)
}

const lastBlockAt = (index: number): Buffer => scratchAt(index * VERITY_BLOCK_SIZE, VERITY_BLOCK_SIZE)
const descriptorAt = (index: number): Buffer =>
  scratchAt(GROUP_FILES * VERITY_BLOCK_SIZE + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)

/** The blocks of the file that is `index` in its group. */
function blocksOf(data: Uint8Array, index: number): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let at = 0
  for (; at + VERITY_BLOCK_SIZE <= data.length; at += VERITY_BLOCK_SIZE) {
    blocks.push(data.subarray(at, at + VERITY_BLOCK_SIZE))
  }
  if (at < data.length) {
    const last = lastBlockAt(index)
    last.set(at === 0 ? data : data.subarray(at))
    blocks.push(last.fill(0, data.length - at))
  }
  return blocks
}

/** The hashes of the blocks of `data`, one after the other; the last block is padded with zeros. */
export function hashBlocks(algorithm: HashAlgorithm, data: Uint8Array, hashMessages = hashEach): Buffer {
  return hashMessages(algorithm, blocksOf(data, 0))
}

/** Bytes of the hashes of the blocks of so many bytes. */
export function hashesLength(algorithm: HashAlgorithm, byteLength: number): number {
  return Math.ceil(byteLength / VERITY_BLOCK_SIZE) * digestLength[algorithm]
}

/** Hashes of one level of the tree: those of the block that is not full, and how many there were in all. */
interface Level {
  readonly block: Buffer
  used: number
  count: number
}

/**
 * Blocks of trees that have ended, for the next ones: V8 leaves those of a gibibyte of files, 8 MiB, lying as long as the heap
 * is small.
 */
const spareBlocks: Buffer[] = []
const MOST_SPARE_BLOCKS = 16

/** The Merkle tree over the hashes of a file's blocks. */
export class VerityTree {
  readonly #algorithm: HashAlgorithm
  readonly #hashLength: number
  readonly #levels: Level[] = []
  #size = 0

  constructor(algorithm: HashAlgorithm) {
    this.#algorithm = algorithm
    this.#hashLength = digestLength[algorithm]
  }

  /** Bytes of the file whose hashes were added. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds what `hashBlocks` gave for the next `byteLength` bytes of the file.
   *
   * @throws RangeError if these are not the hashes of so many bytes, or what came before was not whole blocks.
   */
  addLeaves(hashes: Uint8Array, byteLength: number): void {
    if (hashes.length !== hashesLength(this.#algorithm, byteLength)) {
      throw new RangeError(`${hashes.length} bytes of hashes for ${byteLength} bytes`)
    }
    if (byteLength > 0 && this.#size % VERITY_BLOCK_SIZE !== 0) {
      throw new RangeError(`hashes behind the end of the file at ${this.#size}`)
    }
    this.#size += byteLength
    this.#add(0, hashes)
  }

  /** The digest. Ends the tree. */
  digest(): ObjectId {
    const descriptor = fillDescriptor(descriptorAt(0), this.#algorithm, this.#size, this.rootHash())
    for (const { block } of this.#levels.splice(0)) {
      if (spareBlocks.length < MOST_SPARE_BLOCKS) spareBlocks.push(block)
    }
    return hash(this.#algorithm, descriptor, 'hex') as ObjectId
  }

  /** The root hash; nothing for an empty file. Ends the tree. */
  rootHash(): Uint8Array {
    if (this.#size === 0) return Buffer.alloc(0)
    for (let level = 0; ; level++) {
      const { block, used, count } = this.#levels[level]
      if (count === 1) return block.subarray(0, this.#hashLength)
      if (used > 0) this.#add(level + 1, hashBlocks(this.#algorithm, block.subarray(0, used)))
    }
  }

  #add(level: number, hashes: Uint8Array): void {
    const state = (this.#levels[level] ??= {
      block: spareBlocks.pop() ?? Buffer.allocUnsafeSlow(VERITY_BLOCK_SIZE),
      used: 0,
      count: 0,
    })
    state.count += hashes.length / this.#hashLength
    for (let at = 0; at < hashes.length;) {
      const end = Math.min(hashes.length, at + VERITY_BLOCK_SIZE - state.used)
      state.block.set(hashes.subarray(at, end), state.used)
      state.used += end - at
      at = end
      if (state.used < VERITY_BLOCK_SIZE) return
      state.used = 0
      // A level whose only block is full has more than one hash: its block's hash is above it.
      this.#add(level + 1, hashBlocks(this.#algorithm, state.block))
    }
  }
}

/** Fills in the descriptor of a file (repository.md §1.2), whose hash is the digest; returns it. */
function fillDescriptor(descriptor: Buffer, algorithm: HashAlgorithm, size: number, rootHash: Uint8Array): Buffer {
  descriptor.fill(0)
  descriptor[0] = 1
  descriptor[1] = verityAlgorithmNumber[algorithm]
  descriptor[2] = VERITY_BLOCK_BITS
  descriptor.writeUIntLE(size, 8, 6)
  descriptor.set(rootHash, 16)
  return descriptor
}

/** Computes the fs-verity digest of a byte stream fed in pieces of any size. */
export class VerityHasher {
  readonly #algorithm: HashAlgorithm
  readonly #hashMessages: HashMessages
  readonly #tree: VerityTree
  readonly #block = Buffer.alloc(VERITY_BLOCK_SIZE)
  #blockUsed = 0

  constructor(algorithm: HashAlgorithm, hashMessages = hashEach) {
    this.#algorithm = algorithm
    this.#hashMessages = hashMessages
    this.#tree = new VerityTree(algorithm)
  }

  /** Bytes fed so far. */
  get size(): number {
    return this.#tree.size + this.#blockUsed
  }

  update(data: Uint8Array): void {
    let at = 0
    if (this.#blockUsed > 0) {
      at = Math.min(VERITY_BLOCK_SIZE - this.#blockUsed, data.length)
      this.#block.set(data.subarray(0, at), this.#blockUsed)
      this.#blockUsed += at
      if (this.#blockUsed < VERITY_BLOCK_SIZE) return
      this.#blockUsed = 0
      this.#addBlocks(this.#block)
    }
    const end = data.length - ((data.length - at) % VERITY_BLOCK_SIZE)
    this.#addBlocks(data.subarray(at, end))
    this.#block.set(data.subarray(end))
    this.#blockUsed = data.length - end
  }

  /** The digest. Call once, after the last `update`. */
  digest(): ObjectId {
    this.#addBlocks(this.#block.subarray(0, this.#blockUsed))
    this.#blockUsed = 0
    return this.#tree.digest()
  }

  #addBlocks(data: Uint8Array): void {
    this.#tree.addLeaves(hashBlocks(this.#algorithm, data, this.#hashMessages), data.length)
  }
}

/** The fs-verity digest of `data`. */
export function verityDigest(algorithm: HashAlgorithm, data: Uint8Array, hashMessages = hashEach): ObjectId {
  return digestGroup(algorithm, [data], hashMessages)[0]
}

/** The fs-verity digests of files; most useful for small ones, and with a `hashMessages` that hashes several at a time. */
export function verityDigests(
  algorithm: HashAlgorithm,
  files: readonly Uint8Array[],
  hashMessages = hashEach,
): ObjectId[] {
  const ids: ObjectId[] = []
  for (let at = 0; at < files.length; at += GROUP_FILES) {
    ids.push(...digestGroup(algorithm, files.slice(at, at + GROUP_FILES), hashMessages))
  }
  return ids
}

function digestGroup(algorithm: HashAlgorithm, files: readonly Uint8Array[], hashMessages: HashMessages): ObjectId[] {
  const roots = rootsOf(algorithm, files, hashMessages)
  const descriptors = files.map(({ length }, i) => fillDescriptor(descriptorAt(i), algorithm, length, roots[i]))
  const digests = hashMessages(algorithm, descriptors)
  return splitHashes(
    algorithm,
    digests,
    files.map(() => 1),
  ).map(objectIdFromBytes)
}

/** The root hashes of the files of a group. */
function rootsOf(algorithm: HashAlgorithm, files: readonly Uint8Array[], hashMessages: HashMessages): Uint8Array[] {
  const blocks = files.map(blocksOf)
  const counts = blocks.map(({ length }) => length)
  const leaves = splitHashes(algorithm, hashMessages(algorithm, blocks.flat()), counts)
  // Few files need more of a tree than one block of hashes; those blocks are hashed together, too.
  const inOneBlock = (i: number): boolean => counts[i] > 1 && leaves[i].length <= VERITY_BLOCK_SIZE
  const trees = leaves.flatMap((hashes, i) => (inOneBlock(i) ? blocksOf(hashes, i) : []))
  const roots = splitHashes(
    algorithm,
    hashMessages(algorithm, trees),
    trees.map(() => 1),
  ).values()
  return files.map(({ length }, i) => {
    if (counts[i] <= 1) return leaves[i]
    if (inOneBlock(i)) return roots.next().value!
    const tree = new VerityTree(algorithm)
    tree.addLeaves(leaves[i], length)
    return tree.rootHash()
  })
}

/** Cuts hashes that are one after the other to groups of so many. */
function splitHashes(algorithm: HashAlgorithm, hashes: Buffer, counts: readonly number[]): Buffer[] {
  let at = 0
  return counts.map((count) => hashes.subarray(at, (at += count * digestLength[algorithm])))
}

/** `fsverity-sha512-12`, the name of an algorithm in meta.json (repository.md §1). */
export function verityAlgorithmName(algorithm: HashAlgorithm): string {
  return `fsverity-${algorithm}-${VERITY_BLOCK_BITS}`
}
