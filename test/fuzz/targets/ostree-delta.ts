/** Static deltas: superblocks, parts with their operations, patches. */
import assert from 'node:assert/strict'
import { parseType } from '../../../src/formats/gvariant/type.js'
import { variant, writeValue } from '../../../src/formats/gvariant/write.js'
import { readCommit } from '../../../src/formats/ostree/commit.js'
import { applyPatch } from '../../helpers/apply-patch.js'
import { DeltaObjects } from '../../../src/formats/ostree/delta/objects.js'
import { readPartPayload } from '../../../src/formats/ostree/delta/part.js'
import { deltaSteps } from '../../../src/formats/ostree/delta/steps.js'
import { readSuperblock } from '../../../src/formats/ostree/delta/superblock.js'
import { deltaDirectory } from '../../../src/formats/ostree/delta-path.js'
import { fileId } from '../../../src/formats/ostree/file-id.js'
import { ostreeIdFromBytes } from '../../../src/formats/ostree/ostree-id.js'
import { readSeeds } from '../corpus.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const superblockType = parseType('(a{sv}tayay(a{sv}aya(say)sstayay)aya(uayttay)a(yaytt))')
const payloadType = parseType('(a(uuu)aa(ayay)ayay)')

function records(random: Random, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => Buffer.from([1 + random.below(4), ...random.bytes(32)])))
}

function generateSuperblock(random: Random): Buffer {
  const to = random.bytes(32)
  const directory = deltaDirectory({ to: ostreeIdFromBytes(to) })
  const count = random.below(4)
  const metadata = [
    ...(random.chance(0.7) ? [['ostree.endianness', variant('y', random.pick([0x6c, 0x42, 1]))] as const] : []),
    ...Array.from({ length: random.below(4) }, (_, index) => {
      const name = random.chance(0.8) ? `${directory}/${index}` : `deltas/x/${index}`
      return [name, variant('(yay)', [0, random.bytes(random.length(300))])] as const
    }),
    ...(random.chance(0.3) ? [[`${directory}/commitmeta`, variant('a{sv}', [])] as const] : []),
  ]
  const parts = Array.from(
    { length: count },
    () => [0, random.bytes(32), BigInt(random.length(1000)), BigInt(random.length(1000)), records(random, 2)] as const,
  )
  const fallbacks = Array.from({ length: random.below(3) }, () => [1, random.bytes(32), 5n, 6n] as const)
  const commit = [[], new Uint8Array(0), [], 'subject', '', 7n, random.bytes(32), random.bytes(32)] as const
  const from = random.chance(0.5) ? random.bytes(32) : new Uint8Array(0)
  const bytes = writeValue(superblockType, [metadata, 5n, from, to, commit, new Uint8Array(0), parts, fallbacks])
  if (random.chance(0.7)) return bytes
  return writeValue(parseType('(taya{sv})'), [
    Buffer.from('OSTSGNDT').readBigUInt64LE(),
    bytes,
    [['ostree.sign.ed25519', variant('aay', [random.bytes(64)])]],
  ])
}

function runSuperblock(input: Buffer): void {
  const { commit, parts, fallbacks, signed } = readSuperblock({
    size: input.length,
    read(offset, length) {
      assert.ok(offset >= 0 && length >= 0 && offset + length <= input.length, 'a read outside the file')
      return input.subarray(offset, offset + length)
    },
  })
  for (const range of [...parts.map(({ inline }) => inline), signed?.data]) {
    assert.ok(range === undefined || range.offset + range.length <= input.length)
  }
  assert.ok(fallbacks.every(({ id }) => id.length === 64))
  for (const { objects } of parts) assert.equal([...objects].length, objects.length)
  readCommit(commit)
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/** Operations that make sense more often than not. */
function operations(random: Random, room: number): Buffer {
  const range = (): number[] => {
    const length = random.length(room)
    return [...varint(length), ...varint(random.below(room - length + (random.chance(0.1) ? 9 : 1)))]
  }
  const file = (): number[] => {
    const size = random.length(room)
    const open = [0x6f, ...varint(random.below(2)), 0, ...varint(size)]
    const source = random.chance(0.4) ? [0x72, 0] : []
    const write =
      source.length > 0 && random.chance(0.5) ? [0x42, 0, ...varint(random.length(room))] : [0x77, ...varint(size), 0]
    return [...open, ...source, ...write, ...(random.chance(0.9) ? [0x63] : [])]
  }
  const one = (): number[] =>
    random.pick([
      () => [0x53, ...range()],
      () => [0x53, random.below(3), 0, ...range()],
      file,
      file,
      () => [random.pick([0x52, 0x63, 0x72, random.below(256)])],
    ])()
  return Buffer.from(Array.from({ length: random.below(5) }, one).flat())
}

const swapped = (mode: number): number => Buffer.from([0, 0, mode >> 8, mode & 0xff]).readUInt32LE()

function generatePart(random: Random): Buffer {
  const data = random.bytes(32 + random.length(300))
  const modes = [0o100644, 0o120777, 0o040755].map((mode) => [0, 0, swapped(mode)] as const)
  return writeValue(payloadType, [modes, [[]], data, operations(random, data.length)])
}

function runPart(input: Buffer, random: Random): void {
  const payload = readPartPayload(input)
  const objects = new DeltaObjects(records(random, random.below(4)))
  for (const step of deltaSteps(payload, objects)) {
    if (step.kind === 'file') fileId(step.header, step.content)
  }
}

const old = Buffer.from(Array.from({ length: 512 }, (_, index) => index & 0xff))

function generatePatch(random: Random): Buffer {
  const pieces = Array.from({ length: 1 + random.below(4) }, () => {
    const control = Buffer.alloc(24)
    const lengths = [random.length(200), random.length(100)]
    for (const [index, length] of lengths.entries()) control.writeBigUInt64LE(BigInt(length), 8 * index)
    const sign = random.chance(0.5) ? 1n << 63n : 0n
    control.writeBigUInt64LE(sign | BigInt(random.length(100)), 16)
    return Buffer.concat([control, random.bytes(lengths[0] + lengths[1])])
  })
  return Buffer.concat(pieces)
}

function runPatch(input: Buffer, random: Random): void {
  // Mostly the size that the controls add up to, where they make sense.
  let size = 0
  for (let at = 0; at + 24 <= input.length;) {
    const made = Number(input.readBigUInt64LE(at)) + Number(input.readBigUInt64LE(at + 8))
    size += made
    at += 24 + made
  }
  if (random.chance(0.1)) size = random.below(input.length + 10)
  assert.equal(applyPatch(old, input, size).length, size)
}

export const deltaTargets: readonly Target[] = [
  {
    name: 'superblock',
    weight: 3,
    limit: 16 * 1024,
    seeds: readSeeds('superblock'),
    generate: generateSuperblock,
    run: runSuperblock,
  },
  { name: 'delta-part', weight: 3, limit: 4096, seeds: [], generate: generatePart, run: runPart },
  { name: 'bspatch', weight: 1, limit: 4096, seeds: [], generate: generatePatch, run: runPatch },
]
