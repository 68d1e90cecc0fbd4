/** Writes a splitstream: chunks in, an object out. */
import type { ByteString } from '../../formats/bytes.js'
import type { ObjectId } from '../../formats/digest.js'
import { ChunkEncoder } from '../../formats/splitstream/chunks.js'
import { EMPTY_FRAME } from '../../formats/splitstream/format.js'
import { encodeSplitstreamHead, ObjectTableBuilder } from '../../formats/splitstream/write.js'
import type { ObjectStore, StoredObject } from '../../repository/objects.js'
import { Spool } from '../../repository/spool.js'
import { compressFrame, compressSection, rawWordFrame } from './compress.js'

/** Frames being compressed at once before `settle` waits: enough to keep a pool thread busy. */
const MAX_PENDING_FRAMES = 2

/**
 * Builds one splitstream, which names no others. Feed it with `inline` and `external`, awaiting `settle` now and then; end with `finish`, or
 * with `abort`.
 */
export class SplitstreamWriter {
  readonly #store: ObjectStore
  readonly #contentType: ByteString
  readonly #objectRefs = new ObjectTableBuilder()
  readonly #encoder: ChunkEncoder
  readonly #spool: Spool
  #reservedAt = -1
  /** Ends when all frames so far are compressed and spooled, in order. */
  #tail: Promise<void> = Promise.resolve()
  #pendingFrames = 0
  #inlineBytes = 0
  #externalBytes = 0

  /** @param contentType 8 bytes. */
  constructor(store: ObjectStore, contentType: ByteString) {
    this.#store = store
    this.#contentType = contentType
    this.#spool = new Spool(store.temporaries)
    this.#encoder = new ChunkEncoder({
      frame: (raw) => {
        this.#pendingFrames++
        const compressed = compressFrame(raw)
        this.#then(async () => {
          this.#spool.append(await compressed)
          this.#pendingFrames--
        })
      },
      reserveWord: () =>
        this.#then(() => {
          this.#reservedAt = this.#spool.length
          this.#spool.append(rawWordFrame(0n))
        }),
      fillWord: (value) => this.#then(() => this.#spool.patch(this.#reservedAt, rawWordFrame(value))),
    })
  }

  /** Bytes that went in inline. */
  get inlineBytes(): number {
    return this.#inlineBytes
  }

  /** The bytes are copied. */
  inline(bytes: Uint8Array): void {
    this.#inlineBytes += bytes.length
    this.#encoder.inline(bytes)
  }

  /** @param size of the object, in bytes. */
  external(id: ObjectId, size: number): void {
    this.#externalBytes += size
    this.#encoder.external(this.#objectRefs.add(id))
  }

  /** Waits while too much is being compressed. */
  async settle(): Promise<void> {
    if (this.#pendingFrames > MAX_PENDING_FRAMES) await this.#tail
  }

  /** Stores the finished file as an object. */
  async finish(): Promise<StoredObject> {
    try {
      this.#encoder.end()
      await this.#tail
      if (this.#spool.length === 0) this.#spool.append(Buffer.from(EMPTY_FRAME))
      const head = encodeSplitstreamHead({
        algorithm: this.#store.algorithm,
        contentType: this.#contentType,
        size: this.#inlineBytes + this.#externalBytes,
        streamRefs: [],
        objectRefs: this.#objectRefs.ids,
        namedRefs: await compressSection(Buffer.alloc(0)),
        streamLength: this.#spool.length,
      })
      const object = this.#store.begin()
      // What is there was of no use, or nobody would make it.
      object.replaceStored()
      object.write(head)
      for (const piece of this.#spool.read()) object.write(piece)
      return object.commit()
    } finally {
      this.#spool.dispose()
    }
  }

  /** Gives up; nothing stays. */
  abort(): void {
    this.#tail = this.#tail.finally(() => this.#spool.dispose())
    this.#tail.catch(() => undefined)
  }

  #then(step: () => void | Promise<void>): void {
    this.#tail = this.#tail.then(step)
    // A failure is thrown by the next `settle` or by `finish`; until then it is not unhandled.
    this.#tail.catch(() => undefined)
  }
}
