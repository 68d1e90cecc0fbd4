/** The sequences section of a compressed block (RFC 8878 §3.1.1.3.2): what is copied from where. */
import { BackwardBits } from './bit-reader.js'
import { damaged } from './damaged.js'
import { buildFseTable, readDistribution, singleSymbolTable, type FseTable } from './fse.js'

interface CodeKind {
  readonly maxLog: number
  readonly maxSymbol: number
  readonly predefined: FseTable
}

const ones = (count: number): number[] => Array.from({ length: count }, () => 1)
const twos = (count: number): number[] => Array.from({ length: count }, () => 2)
const rare = (count: number): number[] => Array.from({ length: count }, () => -1)

const literalLengthKind: CodeKind = {
  maxLog: 9,
  maxSymbol: 35,
  predefined: buildFseTable(6, [4, 3, ...twos(11), ...ones(3), ...twos(9), 3, 2, ...ones(5), ...rare(4)]),
}
const offsetKind: CodeKind = {
  maxLog: 8,
  maxSymbol: 31,
  predefined: buildFseTable(5, [...ones(6), ...twos(3), ...ones(15), ...rare(5)]),
}
const matchLengthKind: CodeKind = {
  maxLog: 9,
  maxSymbol: 52,
  predefined: buildFseTable(6, [1, 4, 3, ...twos(6), ...ones(37), ...rare(7)]),
}

/** Extra bits of each code, and its smallest value. */
function baselines(first: number, extraBits: readonly number[]): { base: Uint32Array; bits: Uint8Array } {
  const base = new Uint32Array(extraBits.length)
  let value = first
  extraBits.forEach((bits, code) => {
    base[code] = value
    value += 2 ** bits
  })
  return { base, bits: Uint8Array.from(extraBits) }
}

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)
const literalLengths = baselines(0, [...zeros(16), ...ones(4), 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
const longMatches = [2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
const matchLengths = baselines(3, [...zeros(32), ...ones(4), ...longMatches])

/** Where sequences go: first literals are copied, then a match from what came out before. */
export interface SequenceSink {
  sequence(literals: number, offset: number, match: number): void
}

/** Decodes the sequences of the blocks of one frame; tables and offsets carry over from block to block. */
export class SequenceDecoder {
  #literalTable: FseTable | undefined
  #offsetTable: FseTable | undefined
  #matchTable: FseTable | undefined
  readonly #recent = [1, 4, 8]

  /** Decodes the section that fills `block[start, end)`. */
  decode(block: Uint8Array, start: number, end: number, sink: SequenceSink): void {
    if (start >= end) throw damaged('a block has no sequences section')
    const first = block[start]
    let at = start + (first < 128 ? 1 : first < 255 ? 2 : 3)
    const count =
      first < 128
        ? first
        : first < 255
          ? ((first - 128) << 8) | block[start + 1]
          : (block[start + 1] | (block[start + 2] << 8)) + 0x7f00
    if (count === 0) {
      if (at !== end) throw damaged('a block does not end with its last section')
      return
    }
    if (at >= end) throw damaged('the sequences are cut short')
    const modes = block[at++]
    if ((modes & 3) !== 0) throw damaged('reserved bits are set in a block')
    const table = (mode: number, kind: CodeKind, previous: FseTable | undefined): FseTable => {
      const [next, after] = readTable(block, at, end, mode, kind, previous)
      at = after
      return next
    }
    this.#literalTable = table(modes >> 6, literalLengthKind, this.#literalTable)
    this.#offsetTable = table((modes >> 4) & 3, offsetKind, this.#offsetTable)
    this.#matchTable = table((modes >> 2) & 3, matchLengthKind, this.#matchTable)
    this.#run(count, new BackwardBits(block, at, end), sink)
  }

  #run(count: number, stream: BackwardBits, sink: SequenceSink): void {
    const literal = this.#literalTable!
    const offset = this.#offsetTable!
    const match = this.#matchTable!
    let literalState = stream.read(literal.log)
    let offsetState = stream.read(offset.log)
    let matchState = stream.read(match.log)
    for (let left = count; ;) {
      const offsetCode = offset.symbol[offsetState]
      const matchCode = match.symbol[matchState]
      const literalCode = literal.symbol[literalState]
      const offsetValue = 2 ** offsetCode + stream.read(offsetCode)
      const matchLength = matchLengths.base[matchCode] + stream.read(matchLengths.bits[matchCode])
      const literalLength = literalLengths.base[literalCode] + stream.read(literalLengths.bits[literalCode])
      if (stream.left < 0) throw damaged('the sequences end too early')
      sink.sequence(literalLength, this.#resolveOffset(offsetValue, literalLength), matchLength)
      if (--left === 0) break
      literalState = literal.base[literalState] + stream.read(literal.bits[literalState])
      matchState = match.base[matchState] + stream.read(match.bits[matchState])
      offsetState = offset.base[offsetState] + stream.read(offset.bits[offsetState])
    }
    if (stream.left !== 0) throw damaged('bits are left over after the sequences')
  }

  /** Values up to 3 mean an offset used before; which one depends on whether there are literals (RFC 8878 §3.1.1.5). */
  #resolveOffset(value: number, literals: number): number {
    const recent = this.#recent
    const which = value > 3 ? 3 : value - (literals === 0 ? 0 : 1)
    if (which === 0) return recent[0]
    const offset = value > 3 ? value - 3 : which === 3 ? recent[0] - 1 : recent[which]
    if (offset === 0) throw damaged('a match has the offset 0')
    if (which !== 1) recent[2] = recent[1]!
    recent[1] = recent[0]!
    recent[0] = offset
    return offset
  }
}

function readTable(
  block: Uint8Array,
  at: number,
  end: number,
  mode: number,
  kind: CodeKind,
  previous: FseTable | undefined,
): [FseTable, number] {
  if (mode === 0) return [kind.predefined, at]
  if (mode === 1) {
    if (at >= end || block[at] > kind.maxSymbol) throw damaged('a code is out of range')
    return [singleSymbolTable(block[at]), at + 1]
  }
  if (mode === 2) {
    const distribution = readDistribution(block, at, end, kind.maxLog, kind.maxSymbol)
    return [buildFseTable(distribution.log, distribution.probabilities), distribution.end]
  }
  if (previous === undefined) throw damaged('a block uses a table of a block before it, but there is none')
  return [previous, at]
}
