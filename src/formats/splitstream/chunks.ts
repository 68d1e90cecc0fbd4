/** The decompressed stream section: inline runs and references to objects (repository.md §3.5). */
import { formatError } from '../../errors.js'
import { asBuffer, copyBytes } from '../bytes.js'

/** Takes what a stream consists of, in order; views are valid during the call only. */
export interface ChunkSink {
  /** A piece of an inline run; a run may come in several pieces. */
  inline(bytes: Uint8Array): void
  /** The whole content of object number `index` of the table. */
  external(index: number): void
}

const WORD = 8
const malformed = (message: string) => formatError('splitstream', message)

/** Decodes chunks from pieces of any size; never holds more than one chunk word. */
export class ChunkDecoder {
  readonly #objectCount: number
  readonly #sink: ChunkSink
  readonly #word = Buffer.alloc(WORD)
  #wordUsed = 0
  /** Bytes of the open inline run still to come. */
  #inlineLeft = 0

  constructor(objectCount: number, sink: ChunkSink) {
    this.#objectCount = objectCount
    this.#sink = sink
  }

  push(data: Uint8Array): void {
    const bytes = asBuffer(data)
    for (let at = 0; at < bytes.length;) {
      if (this.#inlineLeft > 0) {
        const take = Math.min(this.#inlineLeft, bytes.length - at)
        this.#sink.inline(bytes.subarray(at, at + take))
        this.#inlineLeft -= take
        at += take
      } else if (this.#wordUsed === 0 && at + WORD <= bytes.length) {
        this.#startChunk(bytes.readBigInt64LE(at))
        at += WORD
      } else {
        this.#word[this.#wordUsed++] = bytes[at++]!
        if (this.#wordUsed === WORD) {
          this.#wordUsed = 0
          this.#startChunk(this.#word.readBigInt64LE(0))
        }
      }
    }
  }

  /** @throws if the section ended inside a chunk. */
  end(): void {
    if (this.#inlineLeft > 0) throw malformed(`the stream ends ${this.#inlineLeft} bytes before an inline chunk does`)
    if (this.#wordUsed > 0) throw malformed('the stream ends inside a chunk word')
  }

  #startChunk(word: bigint): void {
    if (word >= 0n) {
      if (word >= BigInt(this.#objectCount)) throw malformed(`object reference ${word} is out of range`)
      this.#sink.external(Number(word))
    } else if (word < -BigInt(Number.MAX_SAFE_INTEGER)) {
      throw malformed(`inline length ${-word} is out of range`)
    } else {
      this.#inlineLeft = Number(-word)
    }
  }
}

/** Where the encoder puts the section: pieces to compress, and words whose value is known only later. */
export interface ChunkOutput {
  /** The next piece, at most `FRAME_INPUT` bytes, to be one frame; the bytes are the receiver's. */
  frame(raw: Buffer): void
  /** Leaves room for a chunk word, to be filled by `fillWord`. One is open at a time. */
  reserveWord(): void
  fillWord(value: bigint): void
}

/** Most bytes in one frame: bounds the memory of writer and reader (design.md §9.12). */
export const FRAME_INPUT = 4 * 1024 * 1024

/** What a stream begins with: most layers of an image are small, and have one frame of some kilobytes. */
const FIRST_BUFFER = 64 * 1024
const nothing = Buffer.alloc(0)

/**
 * Encodes chunks; adjacent inline pieces become one run (§3.5).
 *
 * The length of a run precedes it. A run that fits a frame is kept until it ends; for a longer one room for the length
 * is reserved and its bytes go out frame by frame, so that a run of any length takes one frame of memory.
 */
export class ChunkEncoder {
  readonly #output: ChunkOutput
  #buffer: Buffer = nothing
  /** The least that a new buffer has: a whole frame, once one was filled. */
  #least = FIRST_BUFFER
  #used = 0
  /** Where the word of the open run is in the buffer; -1: no run is open, or its word is reserved outside. */
  #runStart = -1
  /** Bytes of the open run that already left the buffer; -1: no long run is open. */
  #longRun = -1

  constructor(output: ChunkOutput) {
    this.#output = output
  }

  inline(data: Uint8Array): void {
    if (data.length === 0) return
    if (this.#runStart < 0 && this.#longRun < 0) {
      this.#makeRoomForWord()
      this.#runStart = this.#used
      this.#used += WORD
    }
    for (let at = 0; at < data.length;) {
      if (this.#used === FRAME_INPUT) this.#spill()
      const take = Math.min(FRAME_INPUT - this.#used, data.length - at)
      this.#grow(this.#used + take)
      copyBytes(this.#buffer, at === 0 && take === data.length ? data : data.subarray(at, at + take), this.#used)
      this.#used += take
      at += take
    }
  }

  /** @param index position in the object table. */
  external(index: number): void {
    this.#endRun()
    this.#makeRoomForWord()
    // In halves: the word would be an object of its own.
    this.#buffer.writeUInt32LE(index, this.#used)
    this.#used = this.#buffer.writeUInt32LE(0, this.#used + WORD / 2)
  }

  end(): void {
    this.#endRun()
    this.#flush(this.#used)
  }

  #makeRoomForWord(): void {
    if (this.#used + WORD > FRAME_INPUT) this.#flush(this.#used)
    this.#grow(this.#used + WORD)
  }

  /** Makes the buffer hold `length` bytes, at most a frame. */
  #grow(length: number): void {
    if (length <= this.#buffer.length) return
    const larger = Math.min(FRAME_INPUT, Math.max(this.#least, 4 * this.#buffer.length))
    const grown = Buffer.allocUnsafe(Math.max(larger, length))
    grown.set(this.#buffer.subarray(0, this.#used))
    this.#buffer = grown
  }

  /** The buffer is full and a run is open. */
  #spill(): void {
    if (this.#runStart > 0) {
      const start = this.#runStart
      this.#flush(start)
      this.#runStart = 0
      return
    }
    if (this.#runStart === 0) {
      this.#output.reserveWord()
      this.#buffer.copyWithin(0, WORD, this.#used)
      this.#used -= WORD
      this.#runStart = -1
      this.#longRun = 0
    }
    this.#longRun += this.#used
    this.#flush(this.#used)
  }

  #endRun(): void {
    if (this.#runStart >= 0) {
      this.#buffer.writeInt32LE(this.#runStart + WORD - this.#used, this.#runStart)
      this.#buffer.writeInt32LE(-1, this.#runStart + WORD / 2)
      this.#runStart = -1
    } else if (this.#longRun >= 0) {
      const length = this.#longRun + this.#used
      this.#flush(this.#used)
      this.#output.fillWord(-BigInt(length))
      this.#longRun = -1
    }
  }

  /** Hands the first `length` bytes to the output and moves the rest to a new buffer. */
  #flush(length: number): void {
    if (length === 0) return
    const [raw, rest] = [this.#buffer.subarray(0, length), this.#buffer.subarray(length, this.#used)]
    this.#buffer = nothing
    this.#least = FRAME_INPUT
    this.#used = 0
    this.#grow(rest.length)
    this.#buffer.set(rest)
    this.#used = rest.length
    this.#output.frame(raw)
  }
}
