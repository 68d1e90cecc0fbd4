/** Cuts a tar that passes in slabs into what goes into its splitstream and what becomes objects. */
import { copyBytes } from '../../formats/bytes.js'
import { VERITY_BLOCK_SIZE } from '../../formats/verity/digest.js'
import { TarSplitter, type EntrySink, type TarSink } from '../../formats/tar/split.js'
import type { ObjectStore, StoredObject } from '../../repository/objects.js'
import { removeQuietly } from '../../repository/remove-quietly.js'
import { LargeObject } from '../object/large-object.js'
import type { ObjectBatch, ObjectPiece } from '../object/object-batch.js'
import { SLAB_HEADROOM, type Slab, type SlabFile } from '../slab/slab-pool.js'

/** A whole object of the batch: its number there, and its size in bytes. */
export interface WholeObject {
  readonly index: number
  readonly size: number
}

/** What lies in one slab. */
export interface SlabPlan {
  /** What is to be stored; any thread may do it, and in any order with the batches of other slabs. */
  readonly batch: ObjectBatch
  /** The object that each piece of the batch belongs to. */
  readonly owners: readonly LargeObject[]
  /** In the order of the tar: inline bytes, as views of the slab, and the objects that end in this slab. */
  readonly parts: readonly SlabPart[]
}

export type SlabPart = Uint8Array | WholeObject | LargeObject | StoredObject

class PlanBuilder {
  readonly wholes: number[] = []
  readonly pieces: ObjectPiece[] = []
  readonly owners: LargeObject[] = []
  readonly parts: SlabPart[] = []

  readonly #files: Map<number, SlabFile>

  constructor(readonly slab: Slab) {
    this.#files = new Map(slab.files.map((file) => [file.start, file]))
  }

  /** What the store has got of the body which begins at `start`. */
  knownAt(start: number, size: number): SlabFile['object'] | undefined {
    const file = this.#files.get(start)
    return file?.size === size ? file.object : undefined
  }

  plan(): SlabPlan {
    const { wholes, pieces, owners, parts } = this
    return { batch: { wholes, pieces }, owners, parts }
  }
}

/**
 * Plans one slab after the other.
 *
 * A body that lies in one slab is stored from there. The beginning of one that goes on in the next slab is carried over to
 * the headroom of that slab, if the whole has room there; else it goes out in pieces of whole blocks, and less than a block
 * is carried over. So no batch depends on another one.
 */
export class SlabCutter {
  readonly #store: ObjectStore
  readonly #splitter: TarSplitter
  #plan: PlanBuilder | undefined
  /** Size of the open body, and how much of it was seen. */
  #size = 0
  #seen = 0
  /** The open body, if it goes out in pieces. */
  #large: LargeObject | undefined
  /** The open body, if it is an object already. */
  #stored: StoredObject | undefined
  readonly #carry = Buffer.allocUnsafe(SLAB_HEADROOM)
  #carried = 0
  /** Large objects that are not stored yet, to be given up if the layer fails. */
  readonly #begun = new Set<LargeObject>()
  /** Temporary files that no body has turned out to be. */
  readonly #unused = new Set<string>()

  /** @param entries is told of the entries. */
  constructor(store: ObjectStore, entries?: EntrySink) {
    this.#store = store
    const sink: TarSink = {
      entries,
      inline: (bytes) => void this.#plan!.parts.push(bytes),
      beginObject: (size) => {
        this.#size = size
        this.#seen = 0
      },
      objectData: (bytes) => this.#data(bytes),
      endObject: () => this.#end(),
    }
    this.#splitter = new TarSplitter(sink)
  }

  /** @throws SluiceError when the bytes are not a tar that can be kept. */
  cut(slab: Slab): SlabPlan {
    const plan = new PlanBuilder(slab)
    this.#plan = plan
    for (const { object } of slab.files) if ('path' in object) this.#unused.add(object.path)
    this.#splitter.push(slab.filled)
    return plan.plan()
  }

  /** @throws SluiceError when the tar was cut short. */
  end(): void {
    this.#splitter.end()
    this.#dropUnused()
  }

  /** Stores a large object, once all of its pieces are written and hashed. */
  commit(object: LargeObject): StoredObject {
    this.#begun.delete(object)
    return object.commit()
  }

  /** Removes what is left of large objects; no thread may be at work on them. */
  abort(): void {
    for (const object of this.#begun) object.abort()
    this.#dropUnused()
  }

  #dropUnused(): void {
    for (const path of this.#unused) removeQuietly(path)
    this.#unused.clear()
  }

  #data(bytes: Uint8Array): void {
    const { slab } = this.#plan!
    const isFirst = this.#seen === 0
    this.#seen += bytes.length
    const start = bytes.byteOffset - slab.bytes.byteOffset - this.#carried
    const length = this.#carried + bytes.length
    copyBytes(slab.bytes, this.#carry.subarray(0, this.#carried), start)
    this.#carried = 0
    const known = isFirst ? this.#plan!.knownAt(start, this.#size) : undefined
    if (this.#seen === this.#size) {
      if (this.#large !== undefined) this.#piece(this.#large, start, length)
      else if (known !== undefined && 'id' in known) this.#stored = known
      else this.#plan!.wholes.push(start, length)
      return
    }
    if (this.#size > SLAB_HEADROOM) this.#large ??= this.#begin(known)
    const keep = this.#large === undefined ? length : this.#seen % VERITY_BLOCK_SIZE
    if (this.#large !== undefined && keep < length) this.#piece(this.#large, start, length - keep)
    copyBytes(this.#carry, slab.bytes.subarray(start + length - keep, start + length), 0)
    this.#carried = keep
  }

  #begin(known: SlabFile['object'] | undefined): LargeObject {
    const written = known !== undefined && 'path' in known ? known : undefined
    const object = new LargeObject(this.#store, this.#size, written)
    this.#begun.add(object)
    if (written !== undefined) this.#unused.delete(written.path)
    return object
  }

  #piece(object: LargeObject, start: number, length: number): void {
    const { pieces, owners } = this.#plan!
    pieces.push({ fd: object.fd, start, length, position: object.plan(length) })
    owners.push(object)
  }

  #end(): void {
    const { parts, wholes } = this.#plan!
    parts.push(this.#large ?? this.#stored ?? { index: wholes.length / 2 - 1, size: this.#size })
    this.#large = undefined
    this.#stored = undefined
  }
}
