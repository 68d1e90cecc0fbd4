/** Huffman-coded literals (RFC 8878 §4.2). */
import { BackwardBits } from './bit-reader.js'
import { damaged } from './damaged.js'
import { buildFseTable, readDistribution } from './fse.js'

const MAX_BITS = 11
const MAX_WEIGHT_LOG = 6

/** `entries[next bits]` is the symbol, and above 8 bits how many of the bits it took. */
export interface HuffmanTable {
  readonly bits: number
  readonly entries: Uint16Array
  /** Where in the data its description ended. */
  readonly end: number
}

/** Reads a tree description from `data[start, limit)`. */
export function readHuffmanTable(data: Uint8Array, start: number, limit: number): HuffmanTable {
  if (start >= limit) throw damaged('a Huffman tree is missing')
  const header = data[start]
  const at = start + 1
  const direct = header >= 128
  const end = at + (direct ? (header - 126) >> 1 : header)
  if (end > limit) throw damaged('a Huffman tree ends too early')
  const weights = direct ? directWeights(data, at, header - 127) : fseWeights(data, at, end)
  return { ...buildHuffmanTable(weights), end }
}

function directWeights(data: Uint8Array, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const byte = data[start + (i >> 1)]
    return i % 2 === 0 ? byte >> 4 : byte & 15
  })
}

/** Two interleaved states share one bitstream, which ends in the middle of an update. */
function fseWeights(data: Uint8Array, start: number, end: number): number[] {
  const distribution = readDistribution(data, start, end, MAX_WEIGHT_LOG, 255)
  const table = buildFseTable(distribution.log, distribution.probabilities)
  const stream = new BackwardBits(data, distribution.end, end)
  const states = [stream.read(table.log), stream.read(table.log)]
  if (stream.left < 0) throw damaged('the weights of a Huffman tree end too early')
  const weights: number[] = []
  for (let turn = 0; ; turn ^= 1) {
    const state = states[turn]
    weights.push(table.symbol[state])
    // A state that takes no bits would go on for ever.
    if (weights.length > 254) throw damaged('a Huffman tree has too many symbols')
    states[turn] = table.base[state] + stream.read(table.bits[state])
    if (stream.left < 0) {
      weights.push(table.symbol[states[turn ^ 1]])
      return weights
    }
  }
}

function buildHuffmanTable(weights: number[]): { bits: number; entries: Uint16Array } {
  let sum = 0
  for (const weight of weights) {
    if (weight > MAX_BITS) throw damaged('a Huffman code is too long')
    if (weight > 0) sum += 1 << (weight - 1)
  }
  const bits = 32 - Math.clz32(sum)
  const rest = (1 << bits) - sum
  // The last weight is not stored: it completes the sum to a power of two.
  if (sum === 0 || bits > MAX_BITS || (rest & (rest - 1)) !== 0) throw damaged('a Huffman tree is not complete')
  const all = [...weights, 32 - Math.clz32(rest)]
  // The longest codes differ in their last bit: there are two of them at least. libzstd refuses a tree that has none.
  if (!all.includes(1)) throw damaged('a Huffman tree has shorter codes than its weights say')
  const entries = new Uint16Array(1 << bits)
  // The longest codes, which have the smallest weight, come first; those of one weight in the order of their symbols.
  const cells = new Uint32Array(bits + 2)
  for (const weight of all) if (weight > 0) cells[weight + 1] += 1 << (weight - 1)
  const next = cells.map((_, weight) => cells.subarray(0, weight + 1).reduce((sum, count) => sum + count, 0))
  all.forEach((weight, symbol) => {
    if (weight === 0) return
    const at = next[weight]
    next[weight] = at + (1 << (weight - 1))
    entries.fill(symbol | ((bits + 1 - weight) << 8), at, next[weight])
  })
  return { bits, entries }
}

/** Decodes `data[start, end)` to `target[from, to)`, which it must fill exactly. */
export function decodeHuffman(
  table: HuffmanTable,
  data: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  const stream = new BackwardBits(data, start, end)
  const { bits, entries } = table
  for (let at = from; at < to; at++) {
    const entry = entries[stream.peek(bits)]
    target[at] = entry & 0xff
    stream.left -= entry >> 8
  }
  if (stream.left !== 0) throw damaged('a Huffman stream does not end with its literals')
}
