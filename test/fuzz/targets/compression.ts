/** gzip and zstd, by both decoders: what comes out is the same, and no more is asked for than is wanted. */
import assert from 'node:assert/strict'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { SluiceError } from '../../../src/errors.js'
import { decompressSection } from '../../../src/formats/zstd/decompress.js'
import { isalUsable } from '../../../src/native/isal.js'
import { libzstdUsable } from '../../../src/native/zstd.js'
import { gunzip } from '../../../src/stages/decompress/gunzip.js'
import { nativeGunzip } from '../../../src/stages/decompress/native-gunzip.js'
import { nativeUnzstd } from '../../../src/stages/decompress/native-unzstd.js'
import { unzstd } from '../../../src/stages/decompress/unzstd.js'
import type { Decoder } from '../../helpers/decoders.js'
import { inChunks } from '../../helpers/registry-client.js'
import { readSeeds } from '../corpus.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'
import { rawFrame } from '../zstd-frames.js'

/** What is taken of an output; a few bytes may stand for gigabytes. */
const OUTPUT_LIMIT = 512 * 1024

/** The output, cut at the limit, or the refusal. */
async function outcome(decoder: Decoder, input: Buffer, piece: number): Promise<Buffer | SluiceError> {
  const pieces: Uint8Array[] = []
  let total = 0
  try {
    for await (const chunk of decoder(inChunks(input, piece))) {
      // A copy: chunks may be larger than what is in them.
      pieces.push(Uint8Array.prototype.slice.call(chunk))
      total += chunk.length
      if (total > OUTPUT_LIMIT) break
    }
    return Buffer.concat(pieces).subarray(0, OUTPUT_LIMIT)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SLUICE_COMPRESSION') return error
    throw error
  }
}

/** Runs both; where the portable decoder has a result, it is that of the one in C. */
async function compare(portable: Decoder, native: Decoder | undefined, input: Buffer, random: Random): Promise<void> {
  const piece = random.pick([1 << 20, 512, 1 + random.below(100)])
  const expected = await outcome(portable, input, piece)
  const actual = native === undefined ? expected : await outcome(native, input, piece)
  if (Buffer.isBuffer(expected)) {
    // It works ahead of its output, and may meet the fault beyond the limit.
    if (expected.length === OUTPUT_LIMIT && !Buffer.isBuffer(actual)) return
    if (!Buffer.isBuffer(actual)) assert.fail(`only the decoder in C refuses: ${actual.message}`)
    assert.ok(actual.equals(expected), 'both decoders give the same')
  }
  if (!Buffer.isBuffer(expected)) throw expected
}

function text(random: Random): Buffer {
  const words = Array.from({ length: 1 + random.length(200) }, () => random.bytes(1 + random.below(5)).toString('hex'))
  return Buffer.from(Array.from({ length: 1 + random.length(600) }, () => random.pick(words)).join(' '))
}

function gzipMember(random: Random): Buffer {
  const content = text(random)
  if (random.chance(0.5)) return gzipSync(content, { level: random.below(10) })
  const flags = random.below(32)
  const header = Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3])
  const extra = random.bytes(random.length(300))
  const parts = [
    header,
    ...(flags & 4 ? [Buffer.from([extra.length & 255, extra.length >> 8]), extra] : []),
    ...(flags & 8 ? [Buffer.from('name\0')] : []),
    ...(flags & 16 ? [Buffer.from('comment\0')] : []),
    ...(flags & 2 ? [random.bytes(2)] : []),
    deflateRawSync(content),
    gzipSync(content).subarray(-8),
  ]
  return Buffer.concat(parts)
}

function zstdFrame(random: Random): Buffer {
  if (random.chance(0.3)) {
    const length = random.length(300)
    const header = Buffer.alloc(8)
    header.writeUInt32LE(0x184d2a50 + random.below(16), 0)
    header.writeUInt32LE(random.chance(0.9) ? length : random.word(), 4)
    return Buffer.concat([header, random.bytes(length)])
  }
  if (random.chance(0.3)) return rawFrame(text(random))
  // Blocks of a repeated byte, up to 128 KiB out of four bytes.
  const blocks = Array.from({ length: 1 + random.length(20) }, () => {
    const size = random.chance(0.1) ? 128 * 1024 : random.length(3000)
    return Buffer.from([((size << 3) & 0xff) | 2, (size >> 5) & 0xff, size >> 13, random.below(256)])
  })
  blocks.at(-1)![0] |= 1
  return Buffer.concat([
    Buffer.from('28b52ffd00', 'hex'),
    Buffer.from([random.pick([0x58, 0x00, 0x88, 0xff])]),
    ...blocks,
  ])
}

const several = (make: (random: Random) => Buffer) => (random: Random) =>
  Buffer.concat(Array.from({ length: 1 + random.below(4) }, () => make(random)))

const zstdSeeds = readSeeds('zstd')

export const gzipTarget: Target = {
  name: 'gzip',
  weight: 3,
  limit: 16 * 1024,
  seeds: readSeeds('gzip'),
  generate: several(gzipMember),
  run: (input, random) => compare(gunzip, isalUsable() ? nativeGunzip : undefined, input, random),
}

export const zstdTarget: Target = {
  name: 'zstd',
  weight: 4,
  limit: 16 * 1024,
  seeds: zstdSeeds,
  generate: several(zstdFrame),
  run: (input, random) => compare(unzstd, libzstdUsable() ? nativeUnzstd : undefined, input, random),
}

export const zstdSectionTarget: Target = {
  name: 'zstd-section',
  weight: 4,
  limit: 16 * 1024,
  seeds: zstdSeeds,
  generate: several(zstdFrame),
  run: (input) => void decompressSection(input, OUTPUT_LIMIT),
}
