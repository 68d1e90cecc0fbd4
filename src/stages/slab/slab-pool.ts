/**
 * Slabs: the memory that the bytes of all layers of a run pass through (design.md §2).
 *
 * The pool is the one bound on what a run holds: who finds no free slab waits, and with it the decoder, the socket and the
 * server behind it. All slabs lie in one shared block, of which only what was in use once takes real memory.
 */
import { hashesLength } from '../../formats/verity/digest.js'
import { abortable } from '../../flow/abortable.js'
import type { StageMeter } from '../../flow/meter.js'
import { MAX_OUTPUT_CHUNK, type OutputMemory } from '../decompress/output-memory.js'
import { returnMemory } from '../../native/memory.js'
import { PinnedBuffer } from '../../native/pinned-buffer.js'
import type { StoredObject, WrittenFile } from '../../repository/objects.js'

/** What a decoder fills at a time. */
export const SLAB_BYTES = MAX_OUTPUT_CHUNK
/** Room before it, into which the beginning of an object is carried over that the slab before has not seen the end of. */
export const SLAB_HEADROOM = 256 * 1024
/**
 * Room behind it for the hashes of all its blocks. In messages they would be garbage that V8 leaves lying as long as the heap
 * is small: 16 MiB for each GiB of large files.
 */
const SLAB_HASHES = hashesLength('sha512', SLAB_HEADROOM + SLAB_BYTES)
/** Memory that one slab takes. */
export const SLAB_FOOTPRINT = SLAB_HEADROOM + SLAB_BYTES + SLAB_HASHES

/** A file whose content passes in slabs, and which the object store has got. */
export interface SlabFile {
  /** Where its first byte is in the slab, headroom included. */
  readonly start: number
  /** In bytes; more than there are in the slab if the file goes on in the next. */
  readonly size: number
  /** The object, or what is to become one when all of it has passed. */
  readonly object: StoredObject | WrittenFile
}

export class Slab {
  /** Position in the pool; threads find the memory by it. */
  readonly index: number
  /** Headroom and room. */
  readonly bytes: Buffer
  /** Hashes of the blocks of large objects' pieces in it, once they are stored, one after the other. */
  readonly hashes: Buffer
  /** What decoders write to. */
  readonly room: PinnedBuffer
  /** Bytes in the room that are filled. */
  length = 0
  /** Files that begin in it, and that need not be stored from here. */
  files: readonly SlabFile[] = []
  /** How many will give it back. */
  holders = 0

  constructor(memory: SharedArrayBuffer, index: number) {
    this.index = index
    this.bytes = slabBytes(memory, index)
    this.hashes = slabHashes(memory, index)
    this.room = PinnedBuffer.over(this.bytes.subarray(SLAB_HEADROOM))
  }

  get filled(): Buffer {
    return this.room.bytes.subarray(0, this.length)
  }
}

/** Headroom and room of a slab, in any thread. */
export function slabBytes(memory: SharedArrayBuffer, index: number): Buffer {
  return Buffer.from(memory, index * SLAB_FOOTPRINT, SLAB_FOOTPRINT - SLAB_HASHES)
}

/** Room for hashes of a slab, in any thread. */
export function slabHashes(memory: SharedArrayBuffer, index: number): Buffer {
  return Buffer.from(memory, (index + 1) * SLAB_FOOTPRINT - SLAB_HASHES, SLAB_HASHES)
}

export class SlabPool {
  readonly memory: SharedArrayBuffer
  readonly #slabs: readonly Slab[]
  /** The one given back last is taken first: it is in the caches, and those never used take no memory. */
  readonly #free: Slab[]
  readonly #waiting: ((slab: Slab) => void)[] = []

  /** @param count of slabs, 1 or more. */
  constructor(count: number) {
    this.memory = new SharedArrayBuffer(count * SLAB_FOOTPRINT)
    this.#slabs = Array.from({ length: count }, (_, index) => new Slab(this.memory, index))
    this.#free = [...this.#slabs].reverse()
  }

  /** An empty slab, if there is one. */
  tryTake(): Slab | undefined {
    const slab = this.#free.pop()
    if (slab !== undefined) slab.holders = 1
    return slab
  }

  /** An empty slab, as soon as there is one; who asks first gets it first. Rejects when `signal` is aborted. */
  async take(signal?: AbortSignal): Promise<Slab> {
    const free = this.tryTake()
    if (free !== undefined) return free
    let accept: (slab: Slab) => void
    const given = new Promise<Slab>((resolve) => (accept = resolve))
    this.#waiting.push(accept!)
    if (signal === undefined) return given
    try {
      return await abortable(given, signal)
    } catch (error) {
      const at = this.#waiting.indexOf(accept!)
      if (at >= 0) this.#waiting.splice(at, 1)
      else this.give(await given)
      throw error
    }
  }

  /** Keeps a slab that somebody else has taken, until it is given back by both. */
  hold(slab: Slab): void {
    slab.holders++
  }

  /** Gives a slab back; whoever does may not use its memory any more. */
  give(slab: Slab): void {
    if (--slab.holders > 0) return
    slab.length = 0
    slab.files = []
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#free.push(slab)
      return
    }
    slab.holders = 1
    next(slab)
  }

  /** Gives the memory back to the system; nobody may use a slab any more. */
  dispose(): void {
    returnMemory(Buffer.from(this.memory))
  }

  /** The slab in whose memory `bytes` lie, if any. */
  slabOf(bytes: Uint8Array): Slab | undefined {
    return bytes.buffer === this.memory ? this.#slabs[Math.floor(bytes.byteOffset / SLAB_FOOTPRINT)] : undefined
  }
}

/** Lets decoders write straight into slabs; `signal` ends the wait for a free one, which `meter` times. */
export function slabMemory(pool: SlabPool, meter: StageMeter, signal: AbortSignal): OutputMemory {
  return {
    take: async () => (pool.tryTake() ?? (await meter.blocked(pool.take(signal)))).room,
    tryTake: () => pool.tryTake()?.room,
    give: ({ bytes }) => pool.give(pool.slabOf(bytes)!),
  }
}
