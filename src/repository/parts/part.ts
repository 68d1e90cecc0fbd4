/**
 * What arrived of one blob, written while it arrives.
 *
 * Nothing is synced: a killed process leaves the page cache alone, and after a crash of the machine whatever is in the file
 * goes through the same check of size and digest as bytes from the network. A part that cannot be written is dropped, and
 * the pull goes on without it: the space belongs to the objects.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, read as readFile, writev } from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf } from '../../errors.js'
import type { Digest, HashAlgorithm, ObjectId } from '../../formats/digest.js'
import { closeQuietly } from '../close-quietly.js'
import { removeLargeQuietly, removeQuietly } from '../remove-quietly.js'
import { createPartFile, type PartPaths } from './part-files.js'
import { WriteBlocks } from './write-blocks.js'
import { bootId, readJournal, writeJournal, type BlobValidator, type SealedStream } from './part-journal.js'

const writeAt = promisify(writev)
const readAt = promisify(readFile)

/**
 * The most that a restart fetches once more, in bytes, of all blobs of a run together. Half of it may wait to be written;
 * the rest is for what the connections hold (128 KiB each, so 32 blobs at a time).
 */
export const RESUME_WINDOW = 8 * 1024 * 1024
const UNWRITTEN_LIMIT = RESUME_WINDOW / 2
/** Written at a time. In a trial 256 KiB to 1 MiB cost the same. */
const BATCH = 512 * 1024
/** Smaller blobs are not written, unless many arrive at once and the window would be exceeded. */
export const SMALLEST_PART = 1024 * 1024
const READ_SIZE = 512 * 1024

/** Bytes of all parts of a process that are not written yet. */
export interface Unwritten {
  bytes: number
}

export interface PartOptions {
  readonly digest: Digest
  /** Of the whole blob, in bytes. */
  readonly size: number
  readonly paths: PartPaths
  readonly algorithm: HashAlgorithm
  readonly unwritten: Unwritten
  /** A write failed. */
  readonly onFailure: () => void
  /** Whether parts are written at all. */
  readonly isFull: () => boolean
}

export class Part {
  /** Said by an earlier run that had finished all but the link. */
  readonly sealed: SealedStream | undefined
  readonly #options: PartOptions
  #validator: BlobValidator | undefined
  #fd = -1
  /** Bytes in the file. */
  #length = 0
  readonly #waiting: WriteBlocks
  #writing: Promise<void> = Promise.resolve()
  /** A call of the thread pool uses the file. */
  #isBusy = false
  #isDropped = false
  #isSealed = false

  /** Opens what an earlier run left, if there is something. */
  constructor(options: PartOptions) {
    this.#options = options
    this.#waiting = new WriteBlocks(options.size)
    const { validator, sealed } = readJournal(options.paths.journal, options.algorithm)
    this.#validator = validator
    this.sealed = sealed
    this.#openData()
    if (options.isFull()) this.drop()
  }

  /** Bytes that need not be fetched. */
  get length(): number {
    return this.#length
  }

  get validator(): BlobValidator | undefined {
    return this.#validator
  }

  set validator(validator: BlobValidator) {
    const { origin, etag } = this.#validator ?? {}
    if (validator.origin === origin && validator.etag === etag) return
    this.#validator = validator
    if (this.#fd < 0) return
    try {
      this.#writeJournal()
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      this.#options.onFailure()
    }
  }

  /** The bytes of the part. What comes after it is appended behind the last byte that could be read. */
  async *read(): AsyncGenerator<Uint8Array> {
    let at = 0
    while (at < this.#length) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, this.#length - at))
      const count = await this.#readSome(buffer, at)
      if (count === 0) break
      at += count
      yield buffer.subarray(0, count)
    }
    if (this.#isDropped) return
    if (at < this.#length) ftruncateSync(this.#fd, at)
    this.#length = at
  }

  /** Takes a copy of `bytes`; a promise where the next ones have to wait. */
  append(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#isDropped) return undefined
    const { unwritten, size } = this.#options
    this.#waiting.append(bytes)
    unwritten.bytes += bytes.length
    const isCrowded = unwritten.bytes > UNWRITTEN_LIMIT
    if (!isCrowded && (size < SMALLEST_PART || this.#waiting.length < BATCH)) return undefined
    return this.#flush().then(() => (isCrowded ? this.#writing : undefined))
  }

  /** Ends the part so that a later run can go on from it. A sealed one is dropped: its barrier or its link failed. */
  async keep(): Promise<void> {
    if (this.#isSealed) return this.drop()
    if (this.#fd >= 0 || this.#options.size >= SMALLEST_PART) await this.#flush()
    await this.#writing
    this.#forget()
    this.#close()
  }

  /**
   * The blob is imported, as the splitstream `object`: its bytes are removed before they are synced for nothing, and noted is
   * what is left to do.
   */
  async seal(stream: string, object: ObjectId): Promise<void> {
    await this.#writing
    const { digest, size, paths } = this.#options
    if (this.#isDropped || bootId() === undefined) return this.drop()
    try {
      writeJournal(paths.journal, { digest, size, validator: undefined, sealed: { stream, object } })
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      return this.drop()
    }
    this.#isSealed = true
    this.#isDropped = true
    this.#length = 0
    this.#forget()
    this.#close()
    await removeLargeQuietly(paths.data)
  }

  /** Removes the part; nothing more is written. The space is free when a write that is under way has ended. */
  drop(): void {
    this.#isDropped = true
    this.#forget()
    this.#length = 0
    this.#closeDropped()
    removeQuietly(this.#options.paths.data)
    removeQuietly(this.#options.paths.journal)
  }

  /** Begins anew after `drop` or `keep`, with nothing. */
  async restart(): Promise<void> {
    this.drop()
    await this.#writing
    this.#isSealed = false
    this.#isDropped = this.#options.isFull()
  }

  #openData(): void {
    try {
      this.#fd = openSync(this.#options.paths.data, 'r+')
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      return
    }
    this.#length = fstatSync(this.#fd).size
    if (this.#length > this.#options.size) {
      ftruncateSync(this.#fd)
      this.#length = 0
    }
  }

  /** 0 at the end, and where the disk cannot read. */
  async #readSome(buffer: Buffer, at: number): Promise<number> {
    this.#isBusy = true
    try {
      return (await readAt(this.#fd, buffer, 0, buffer.length, at)).bytesRead
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      return 0
    } finally {
      this.#isBusy = false
      this.#closeDropped()
    }
  }

  /** Starts to write what is waiting; one write at a time. */
  async #flush(): Promise<void> {
    await this.#writing
    if (this.#waiting.length > 0) this.#writing = this.#write()
  }

  async #write(): Promise<void> {
    const { blocks, length, done } = this.#waiting.take()
    this.#isBusy = true
    try {
      if (this.#fd < 0) this.#create()
      await writeAll(this.#fd, blocks, this.#length)
      if (!this.#isDropped) this.#length += length
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      this.#options.onFailure()
    } finally {
      this.#isBusy = false
      this.#options.unwritten.bytes -= length
      done()
      this.#closeDropped()
    }
  }

  #create(): void {
    this.#writeJournal()
    closeSync(createPartFile(this.#options.paths.data))
    // Not for appending: two processes without locks then write the same bytes in the same places.
    this.#fd = openSync(this.#options.paths.data, 'r+')
  }

  #writeJournal(): void {
    const { digest, size, paths } = this.#options
    writeJournal(paths.journal, { digest, size, validator: this.#validator, sealed: undefined })
  }

  #forget(): void {
    this.#options.unwritten.bytes -= this.#waiting.length
    this.#waiting.clear()
  }

  #closeDropped(): void {
    if (this.#isDropped && !this.#isBusy) this.#close()
  }

  #close(): void {
    const fd = this.#fd
    this.#fd = -1
    if (fd >= 0) closeQuietly(fd)
  }
}

async function writeAll(fd: number, batch: readonly Uint8Array[], position: number): Promise<void> {
  const total = batch.reduce((sum, { length }) => sum + length, 0)
  let rest = batch
  for (let written = 0; written < total;) {
    written += (await writeAt(fd, rest, position + written)).bytesWritten
    if (written < total) rest = [Buffer.concat(batch).subarray(written)]
  }
}
