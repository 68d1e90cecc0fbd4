/** The blocks of one frame, decoded one after the other (RFC 8878 §3.1.1.2). */
import type { FrameHeader } from './frame-header.js'
import { damaged } from './damaged.js'
import { LiteralsDecoder } from './literals.js'
import { SequenceDecoder, type SequenceSink } from './sequences.js'
import { Window } from './window.js'
import { Xxh64 } from './xxh64.js'

/** No block holds more, compressed or not. */
export const MAX_BLOCK_BYTES = 128 * 1024

/** Bytes that the bit readers may touch beyond a block. */
export const BLOCK_PADDING = 8

/** Memory that the frames of one input share: there may be thousands of small ones. */
export interface FrameBuffers {
  readonly literals: Uint8Array
  readonly window: Uint8Array
}

export function makeFrameBuffers(): FrameBuffers {
  return { literals: new Uint8Array(MAX_BLOCK_BYTES), window: new Uint8Array(2 * MAX_BLOCK_BYTES) }
}

export interface BlockHeader {
  readonly last: boolean
  readonly type: 'raw' | 'repeat' | 'compressed'
  /** Bytes of the block's content in the input. */
  readonly length: number
  /** For a repeated byte, how often it comes out. */
  readonly size: number
}

export class FrameDecoder {
  readonly #header: FrameHeader
  readonly #window: Window
  readonly #literals: LiteralsDecoder
  readonly #sequences = new SequenceDecoder()
  readonly #checksum: Xxh64 | undefined
  readonly #maxBlock: number
  #total = 0

  constructor(header: FrameHeader, buffers: FrameBuffers) {
    this.#header = header
    this.#maxBlock = Math.min(MAX_BLOCK_BYTES, header.windowSize)
    this.#window = new Window(header.windowSize, this.#maxBlock, buffers.window)
    this.#checksum = header.checksum ? new Xxh64() : undefined
    this.#literals = new LiteralsDecoder(buffers.literals, this.#maxBlock)
  }

  /** Reads the three bytes before each block. */
  parseBlockHeader(bytes: Uint8Array): BlockHeader {
    const value = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16)
    const size = value >> 3
    const type = (['raw', 'repeat', 'compressed'] as const)[(value >> 1) & 3]
    if (type === undefined) throw damaged('a block has a reserved type')
    if (size > this.#maxBlock) throw damaged('a block is larger than the window or 128 KiB')
    return { last: (value & 1) === 1, type, size, length: type === 'repeat' ? 1 : size }
  }

  /** Decodes a block; `content` holds `header.length` bytes and at least four more. The result is the caller's. */
  decodeBlock({ type, size, length }: BlockHeader, content: Uint8Array): Uint8Array {
    const window = this.#window
    window.beginBlock(this.#maxBlock)
    if (type === 'raw') window.append(content, 0, length)
    else if (type === 'repeat') window.repeat(content[0], size)
    // Without a byte it is an empty block, as libzstd has it when it streams.
    else if (length > 0) this.#decodeCompressed(content, length)
    const output = window.takeBlock()
    this.#total += output.length
    this.#checksum?.update(output)
    const { contentSize } = this.#header
    if (contentSize !== undefined && this.#total > contentSize) throw damaged('a frame gives more than it states')
    return output
  }

  /** After the last block: checks the size, and the checksum if the frame has one. */
  finish(checksum: number): void {
    const { contentSize } = this.#header
    if (contentSize !== undefined && this.#total !== contentSize) throw damaged('a frame gives less than it states')
    if (this.#checksum !== undefined && this.#checksum.digest32() !== checksum) {
      throw damaged('the checksum of a frame is wrong')
    }
  }

  #decodeCompressed(content: Uint8Array, length: number): void {
    if (length < 2) throw damaged('a compressed block is too short')
    const window = this.#window
    const literals = this.#literals.decode(content, length)
    let used = 0
    const sink: SequenceSink = {
      sequence(literalLength, offset, match) {
        const next = used + literalLength
        if (next > literals.bytes.length) throw damaged('a sequence wants more literals than there are')
        window.append(literals.bytes, used, next)
        window.copyMatch(offset, match)
        used = next
      },
    }
    this.#sequences.decode(content, literals.end, length, sink)
    window.append(literals.bytes, used, literals.bytes.length)
  }
}
