/** Decompression of a small, untrusted zstd section in one piece, with a limit on what may come out. */
import { asBuffer } from '../bytes.js'
import { zstdError } from './damaged.js'
import { BLOCK_PADDING, FrameDecoder, makeFrameBuffers, MAX_BLOCK_BYTES, type FrameBuffers } from './frame-decoder.js'
import { FRAME_MAGIC, frameHeaderLength, isSkippableMagic, parseFrameHeader } from './frame-header.js'

interface Scratch {
  readonly frames: FrameBuffers
  readonly block: Buffer
}

/** Made once: sections are of some hundred bytes, a listing or a check reads thousands of them, and none needs it after its call. */
let scratch: Scratch | undefined

/** No honest section needs a larger window (repository.md §4). */
const MAX_SECTION_WINDOW = 8 * 1024 * 1024

/**
 * Decompresses all frames of `data`.
 *
 * @param limit most bytes to accept.
 * @throws SluiceError `SLUICE_COMPRESSION` if there is no frame, a frame is damaged or cut, something else follows, or
 *   the output exceeds `limit`.
 */
export function decompressSection(data: Uint8Array, limit: number): Buffer {
  scratch ??= { frames: makeFrameBuffers(), block: Buffer.alloc(MAX_BLOCK_BYTES + BLOCK_PADDING) }
  const section = new Section(asBuffer(data), limit, scratch)
  section.decode()
  return Buffer.concat(section.output)
}

class Section {
  readonly output: Uint8Array[] = []
  readonly #data: Buffer
  readonly #limit: number
  readonly #scratch: Scratch
  #at = 0
  #total = 0

  constructor(data: Buffer, limit: number, scratch: Scratch) {
    this.#data = data
    this.#limit = limit
    this.#scratch = scratch
  }

  decode(): void {
    if (this.#data.length === 0) throw zstdError('the section is empty: not even a frame')
    while (this.#at < this.#data.length) {
      const start = this.#at
      const magic = this.#take(4).readUInt32LE(0)
      if (magic === FRAME_MAGIC) this.#frame()
      else if (isSkippableMagic(magic)) this.#take(this.#take(4).readUInt32LE(0))
      else throw zstdError(`there is no frame at ${start}`)
    }
  }

  /** The next `length` bytes. */
  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#data.length) throw zstdError(`the data is cut short after ${this.#data.length} bytes`)
    const bytes = this.#data.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  #frame(): void {
    const descriptor = this.#take(1)
    this.#at--
    const header = parseFrameHeader(this.#take(frameHeaderLength(descriptor[0])))
    if (header.windowSize > MAX_SECTION_WINDOW) throw zstdError('a frame wants too large a window')
    const decoder = new FrameDecoder(header, this.#scratch.frames)
    for (let last = false; !last;) {
      const block = decoder.parseBlockHeader(this.#take(3))
      this.#take(block.length).copy(this.#scratch.block)
      const piece = decoder.decodeBlock(block, this.#scratch.block)
      this.#total += piece.length
      if (this.#total > this.#limit) throw zstdError(`more than ${this.#limit} bytes come out`)
      if (piece.length > 0) this.output.push(piece)
      last = block.last
    }
    decoder.finish(header.checksum ? this.#take(4).readUInt32LE(0) : 0)
  }
}
