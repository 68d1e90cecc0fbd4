/** Damage to bytes, as it comes from disks, networks and people who mean harm. */
import type { Random } from './random.js'

type Mutation = (input: Buffer, random: Random, others: readonly Buffer[]) => Buffer

const interesting = [
  0n,
  1n,
  2n,
  7n,
  8n,
  31n,
  32n,
  63n,
  64n,
  65n,
  127n,
  128n,
  255n,
  256n,
  511n,
  512n,
  513n,
  4095n,
  4096n,
  4097n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0x100000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 512n,
  2n ** 64n - 1n,
]

const words = [
  '..',
  '/',
  '../',
  '.wh.',
  '.wh..wh..opq',
  '\0',
  '\n',
  '-',
  '@',
  ':',
  '%2F',
  '"',
  '\\',
  '\\x00',
  '{}',
  '[]',
]

/** A place inside, more often than chance at a multiple of the sizes that fields have. */
function place(input: Buffer, random: Random): number {
  const at = random.below(input.length + 1)
  const unit = random.pick([1, 1, 2, 4, 8, 32, 512])
  return at - (at % unit)
}

function extent(input: Buffer, random: Random): readonly [start: number, end: number] {
  const start = place(input, random)
  return [start, Math.min(input.length, start + 1 + random.length(input.length))]
}

function replaced(input: Buffer, start: number, end: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, start), bytes, input.subarray(end)])
}

function overwritten(input: Buffer, at: number, bytes: Uint8Array): Buffer {
  return replaced(input, at, Math.min(input.length, at + bytes.length), bytes)
}

function numberBytes(random: Random): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(random.pick(interesting))
  const sized = bytes.subarray(0, random.pick([1, 2, 4, 8]))
  return random.chance(0.2) ? Buffer.from(sized).reverse() : sized
}

const mutations: readonly Mutation[] = [
  function flipBit(input, random) {
    if (input.length === 0) return input
    const copy = Buffer.from(input)
    copy[random.below(copy.length)] ^= 1 << random.below(8)
    return copy
  },
  function setByte(input, random) {
    if (input.length === 0) return input
    const copy = Buffer.from(input)
    copy[random.below(copy.length)] = random.chance(0.5)
      ? random.word()
      : random.pick([0, 0x20, 0x30, 0x7f, 0x80, 0xff])
    return copy
  },
  function nudgeByte(input, random) {
    if (input.length === 0) return input
    const copy = Buffer.from(input)
    copy[random.below(copy.length)] += random.pick([1, -1, 2, 16, -16])
    return copy
  },
  (input, random) => input.subarray(0, place(input, random)),
  (input, random) => Buffer.concat([input, random.bytes(random.length(600))]),
  (input, random) => overwritten(input, place(input, random), numberBytes(random)),
  (input, random) => overwritten(input, place(input, random), random.bytes(1 + random.below(16))),
  function insertWord(input, random) {
    const at = random.below(input.length + 1)
    return replaced(input, at, at, Buffer.from(random.pick(words), 'latin1'))
  },
  function decimal(input, random) {
    const at = random.below(input.length + 1)
    return replaced(input, at, at + random.below(8), Buffer.from(String(random.pick(interesting))))
  },
  function cutOut(input, random) {
    return replaced(input, ...extent(input, random), Buffer.alloc(0))
  },
  function repeatChunk(input, random) {
    const [start, end] = extent(input, random)
    const chunk = input.subarray(start, end)
    return replaced(input, start, end, Buffer.concat(Array.from({ length: 1 + random.length(64) }, () => chunk)))
  },
  function moveChunk(input, random) {
    const [start, end] = extent(input, random)
    return overwritten(input, place(input, random), input.subarray(start, end))
  },
  function fillChunk(input, random) {
    const [start, end] = extent(input, random)
    const copy = Buffer.from(input)
    return copy.fill(random.pick([0, 0x20, 0x30, 0x61, 0xff]), start, end)
  },
  function splice(input, random, others) {
    const other = random.pick(others)
    return Buffer.concat([input.subarray(0, place(input, random)), other.subarray(place(other, random))])
  },
  function insertFromOther(input, random, others) {
    const other = random.pick(others)
    const [start, end] = extent(other, random)
    const at = place(input, random)
    return replaced(input, at, random.chance(0.5) ? at : at + end - start, other.subarray(start, end))
  },
]

/** One to eight kinds of damage, mostly one or two; at most `limit` bytes come out. */
export function mutate(input: Buffer, random: Random, others: readonly Buffer[], limit: number): Buffer {
  let mutated = input
  for (let left = 1 + random.length(7); left > 0; left--) {
    mutated = random.pick(mutations)(mutated, random, others).subarray(0, limit)
  }
  return Buffer.from(mutated)
}
