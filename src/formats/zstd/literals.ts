/** The literals section of a compressed block (RFC 8878 §3.1.1.3.1). */
import { damaged } from './damaged.js'
import { decodeHuffman, readHuffmanTable, type HuffmanTable } from './huffman.js'

const MIN_FOR_FOUR_STREAMS = 6

export interface Literals {
  readonly bytes: Uint8Array
  /** Where in the block the section ended. */
  readonly end: number
}

interface Sizes {
  readonly regenerated: number
  readonly compressed: number
  readonly streams: 1 | 4
  readonly headerBytes: number
}

export class LiteralsDecoder {
  readonly #buffer: Uint8Array
  readonly #maxBlockSize: number
  /** Of the last block that had one: a later block may use it again. */
  #table: HuffmanTable | undefined

  constructor(buffer: Uint8Array, maxBlockSize: number) {
    this.#buffer = buffer
    this.#maxBlockSize = maxBlockSize
  }

  /** Decodes the section at the start of `block[0, limit)`. */
  decode(block: Uint8Array, limit: number): Literals {
    const type = block[0] & 3
    const sizes = type < 2 ? rawSizes(block, type === 1) : compressedSizes(block)
    const start = sizes.headerBytes
    const end = start + sizes.compressed
    if (sizes.regenerated > this.#maxBlockSize) throw damaged('a block has too many literals')
    if (end > limit) throw damaged('the literals are cut short')
    const bytes = this.#buffer.subarray(0, sizes.regenerated)
    if (type === 0) bytes.set(block.subarray(start, end))
    else if (type === 1) bytes.fill(block[start])
    else this.#decodeStreams(block, type === 2, sizes, bytes)
    return { bytes, end }
  }

  #decodeStreams(block: Uint8Array, hasTable: boolean, sizes: Sizes, target: Uint8Array): void {
    const end = sizes.headerBytes + sizes.compressed
    if (hasTable) this.#table = readHuffmanTable(block, sizes.headerBytes, end)
    const table = this.#table
    if (table === undefined) throw damaged('a block uses the Huffman tree of a block before it, but there is none')
    let start = hasTable ? table.end : sizes.headerBytes
    if (sizes.streams === 1) return decodeHuffman(table, block, start, end, target, 0, target.length)
    if (start + 6 > end) throw damaged('the literals are cut short')
    // Of fewer, three streams may leave none for the fourth; libzstd refuses them all.
    if (target.length < MIN_FOR_FOUR_STREAMS) throw damaged('too few literals for four streams')
    const quarter = (target.length + 3) >> 2
    const lengths = [0, 2, 4].map((at) => block[start + at] | (block[start + at + 1] << 8))
    start += 6
    for (let i = 0; i < 4; i++) {
      const next = i === 3 ? end : start + lengths[i]
      if (next > end) throw damaged('a Huffman stream is cut short')
      decodeHuffman(table, block, start, next, target, i * quarter, i === 3 ? target.length : (i + 1) * quarter)
      start = next
    }
  }
}

function rawSizes(block: Uint8Array, repeated: boolean): Sizes {
  const first = block[0]
  const format = (first >> 2) & 3
  const [regenerated, headerBytes] =
    (format & 1) === 0
      ? [first >> 3, 1]
      : format === 1
        ? [(first >> 4) | (block[1] << 4), 2]
        : [(first >> 4) | (block[1] << 4) | (block[2] << 12), 3]
  return { regenerated: regenerated, compressed: repeated ? 1 : regenerated, streams: 1, headerBytes: headerBytes }
}

/** Two sizes of equal width, 10, 14 or 18 bits, after four bits of type and format. */
function compressedSizes(block: Uint8Array): Sizes {
  const format = (block[0] >> 2) & 3
  const width = format < 2 ? 10 : format === 2 ? 14 : 18
  const headerBytes = (4 + 2 * width) / 8 // 3, 4 or 5
  const value = [0, 1, 2, 3, 4].slice(0, headerBytes).reduce((sum, i) => sum + block[i] * 2 ** (8 * i), 0)
  const bits = Math.floor(value / 16)
  return {
    regenerated: bits % 2 ** width,
    compressed: Math.floor(bits / 2 ** width),
    streams: format === 0 ? 1 : 4,
    headerBytes,
  }
}
