/** The objects of one slab: what is to be stored, and what became of it. Plain data, which threads send each other. */
import { ioError } from '../../errors.js'
import { copyBytes } from '../../formats/bytes.js'
import type { HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { hashesLength } from '../../formats/verity/digest.js'
import type { ObjectStore, StoredObject } from '../../repository/objects.js'
import { writeAll } from '../../repository/write-all.js'

/** A stretch of an object that is larger than what is kept together; starts at a whole block of the object. */
export interface ObjectPiece {
  /** The file that the object is written to; undefined if it is there already. */
  readonly fd: number | undefined
  /** Where in the slab it begins, in bytes, headroom included. */
  readonly start: number
  readonly length: number
  /** Where in the object it begins; a multiple of 4096. */
  readonly position: number
}

export interface ObjectBatch {
  /** Whole objects: start in the slab, length, start, length, … */
  readonly wholes: readonly number[]
  readonly pieces: readonly ObjectPiece[]
}

export interface StoredBatch {
  /** One for each whole object. */
  readonly ids: readonly ObjectId[]
  /** Of the whole objects; sizes in bytes. */
  readonly stats: ObjectStats
}

/** What became of objects; sizes in bytes. */
export interface ObjectStats {
  newObjects: number
  presentObjects: number
  /** Bytes of new objects. */
  storedBytes: number
  /** New objects that share the blocks of a file elsewhere, and their bytes. */
  reflinkedObjects: number
  reflinkedBytes: number
  /** New objects that are another name of a file elsewhere, and their bytes. */
  hardlinkedObjects: number
  hardlinkedBytes: number
}

export const noObjects = (): ObjectStats => ({
  newObjects: 0,
  presentObjects: 0,
  storedBytes: 0,
  reflinkedObjects: 0,
  reflinkedBytes: 0,
  hardlinkedObjects: 0,
  hardlinkedBytes: 0,
})

/** Whether there is nothing to store, as in most slabs of a containers-storage, whose files are objects already. */
export function isEmpty({ wholes, pieces }: ObjectBatch): boolean {
  return wholes.length === 0 && pieces.length === 0
}

/** What became of an empty batch. */
export const nothingStored = (): StoredBatch => ({ ids: [], stats: noObjects() })

/** Memory of a slab. */
export interface BatchMemory {
  readonly bytes: Buffer
  /** Gets the hashes of the blocks of each piece, one after the other. */
  readonly hashes: Buffer
}

/** Stores the objects of a slab. */
export function storeBatch(
  store: ObjectStore,
  { bytes, hashes }: BatchMemory,
  { wholes, pieces }: ObjectBatch,
): StoredBatch {
  const contents: Buffer[] = []
  for (let i = 0; i < wholes.length; i += 2) contents.push(bytes.subarray(wholes[i], wholes[i] + wholes[i + 1]))
  const stats = noObjects()
  const ids = store.storeAll(contents).map((stored) => {
    count(stats, stored)
    return stored.id
  })
  let hashed = 0
  for (const { fd, start, length, position } of pieces) {
    const piece = bytes.subarray(start, start + length)
    if (fd !== undefined) writePiece(fd, piece, position)
    const blocks = store.hashBlocks(piece)
    copyBytes(hashes, blocks, hashed)
    hashed += blocks.length
  }
  return { ids, stats }
}

/** Of a batch that is stored: the hashes of the blocks of each piece, in `hashes` as `storeBatch` put them there. */
export function hashesOfPieces(algorithm: HashAlgorithm, hashes: Buffer, { pieces }: ObjectBatch): Buffer[] {
  let at = 0
  return pieces.map(({ length }) => hashes.subarray(at, (at += hashesLength(algorithm, length))))
}

/** Adds one stored object to `stats`. */
export function count(stats: ObjectStats, { isNew, size, sharing }: Omit<StoredObject, 'id'>): void {
  if (!isNew) {
    stats.presentObjects++
    return
  }
  stats.newObjects++
  stats.storedBytes += size
  if (sharing === undefined) return
  stats[`${sharing}Objects`]++
  stats[`${sharing}Bytes`] += size
}

export function addStats(stats: ObjectStats, more: ObjectStats): void {
  stats.newObjects += more.newObjects
  stats.presentObjects += more.presentObjects
  stats.storedBytes += more.storedBytes
  stats.reflinkedObjects += more.reflinkedObjects
  stats.reflinkedBytes += more.reflinkedBytes
  stats.hardlinkedObjects += more.hardlinkedObjects
  stats.hardlinkedBytes += more.hardlinkedBytes
}

function writePiece(fd: number, piece: Buffer, position: number): void {
  try {
    writeAll(fd, piece, position)
  } catch (error) {
    throw ioError(error, 'cannot write an object')
  }
}
