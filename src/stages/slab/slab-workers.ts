/** Who does the work on the bytes in slabs: other threads, or this one. */
import type { Decoder, DecoderKind } from '../decompress/decoder.js'
import type { ObjectBatch, StoredBatch } from '../object/object-batch.js'
import type { FileParts } from './fill-from-files.js'
import type { Slab, SlabFile, SlabPool } from './slab-pool.js'

/** The stages whose work it is. */
export type WorkKind = 'object' | 'digest' | 'decompress'

export interface SlabWorkers {
  /** Stores the objects in a slab, whose memory must stay as it is until the promise is settled. */
  store(slab: Slab, batch: ObjectBatch): Promise<StoredBatch>
  /** Reads files into a slab; gives those of them that became files of the object store, under temporary names. */
  fill(slab: Slab, parts: FileParts): Promise<SlabFile[]>
  /** Starts a digest over what passes in slabs. @param algorithm name of a hash that Node knows. */
  digest(algorithm: string): SlabDigest
  /** A decoder in C whose output goes to slabs; who waits for memory stops when `signal` is aborted. */
  decoder(kind: DecoderKind, signal: AbortSignal): Decoder
}

/** A digest of bytes that come slab by slab, taken in the order of the calls. */
export interface SlabDigest {
  /** Takes what `slab` is filled with; it must stay as it is until the promise is settled. */
  update(slab: Slab): Promise<void>
  /** The digest in hex. Ends it. */
  digest(): Promise<string>
  /** Ends it without a result. */
  abort(): void
}

/** What the bytes of a run need: memory to pass through, and workers. */
export interface Engine {
  readonly slabs: SlabPool
  readonly workers: SlabWorkers
}
