/** FSE tables (RFC 8878 §4.1). */
import { damaged } from './damaged.js'

/** A decoding table; in state `s`, `symbol[s]` comes out and the next state is `base[s]` plus `bits[s]` read bits. */
export interface FseTable {
  readonly log: number
  readonly symbol: Uint8Array
  readonly bits: Uint8Array
  readonly base: Uint16Array
}

/** Probabilities of symbols in units of 2^-log; -1 means "less than one". */
export interface Distribution {
  readonly log: number
  readonly probabilities: readonly number[]
  /** Where in the data it ended. */
  readonly end: number
}

/** Reads a table description from `data[start, limit)`; four bytes beyond `limit` must exist. */
export function readDistribution(
  data: Uint8Array,
  start: number,
  limit: number,
  maxLog: number,
  maxSymbol: number,
): Distribution {
  let position = start * 8
  const bits = (count: number): number => {
    const at = position >> 3
    const word = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24)
    return (word >>> (position & 7)) & ((1 << count) - 1)
  }
  const check = (): void => {
    if (position > limit * 8) throw damaged('a table ends too early')
  }
  if (start >= limit) throw damaged('a table is missing')
  const log = bits(4) + 5
  position += 4
  if (log > maxLog) throw damaged('a table is too large')
  let remaining = 1 << log
  const probabilities: number[] = []
  while (remaining > 0) {
    if (probabilities.length > maxSymbol) throw damaged('a table has too many symbols')
    // A value up to remaining + 1 takes `width` bits, but the smallest ones one less.
    const width = 32 - Math.clz32(remaining + 1)
    const value = bits(width)
    const threshold = (1 << width) - 1 - (remaining + 1)
    const lower = value & ((1 << (width - 1)) - 1)
    const short = lower < threshold
    position += short ? width - 1 : width
    const probability = (short ? lower : lower === value ? value : value - threshold) - 1
    probabilities.push(probability)
    remaining -= Math.abs(probability)
    check()
    for (let repeat = probability === 0 ? 3 : 0; repeat === 3;) {
      repeat = bits(2)
      position += 2
      check()
      for (let i = 0; i < repeat; i++) probabilities.push(0)
      if (probabilities.length > maxSymbol + 1) throw damaged('a table has too many symbols')
    }
  }
  if (remaining < 0) throw damaged('the probabilities of a table are wrong')
  return { log, probabilities, end: (position + 7) >> 3 }
}

export function buildFseTable(log: number, probabilities: readonly number[]): FseTable {
  const size = 1 << log
  const symbol = new Uint8Array(size)
  const bits = new Uint8Array(size)
  const base = new Uint16Array(size)
  const next = new Uint16Array(probabilities.length)
  let high = size
  probabilities.forEach((probability, s) => {
    next[s] = Math.abs(probability)
    if (probability === -1) symbol[--high] = s
  })
  const step = (size >> 1) + (size >> 3) + 3
  let at = 0
  probabilities.forEach((probability, s) => {
    for (let i = 0; i < probability; i++) {
      symbol[at] = s
      do at = (at + step) & (size - 1)
      while (at >= high)
    }
  })
  for (let state = 0; state < size; state++) {
    const count = next[symbol[state]]++
    const width = log - (31 - Math.clz32(count))
    bits[state] = width
    base[state] = (count << width) - size
  }
  return { log, symbol, bits, base }
}

/** The table for a stream of one repeated symbol. */
export function singleSymbolTable(symbol: number): FseTable {
  return { log: 0, symbol: Uint8Array.of(symbol), bits: new Uint8Array(1), base: new Uint16Array(1) }
}
