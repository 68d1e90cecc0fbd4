import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compress as zstdCompress } from '@mongodb-js/zstd'
import { SluiceError } from '../../src/errors.js'
import { decompressSection } from '../../src/formats/zstd/decompress.js'
import type { Compression } from '../../src/formats/oci/media-types.js'
import { decompress } from '../../src/stages/decompress/decompress.js'
import { gunzip } from '../../src/stages/decompress/gunzip.js'
import { MAX_OUTPUT_CHUNK } from '../../src/stages/decompress/output-memory.js'
import { unzstd } from '../../src/stages/decompress/unzstd.js'
import { Xxh64 } from '../../src/formats/zstd/xxh64.js'
import { noise } from '../helpers/registry-images.js'
import { inChunks, readAll } from '../helpers/registry-client.js'

const words = Buffer.from(Array.from({ length: 10_000 }, (_, i) => `word ${(i * 7919) % 1013} of ${i % 97}\n`).join(''))

const unpack = (bytes: Uint8Array, compression: Compression, chunk = 65_536): Promise<Buffer> =>
  readAll(decompress(inChunks(bytes, chunk), compression))

function corrupt(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.code, 'SLUICE_COMPRESSION')
    assert.match(error.message, message)
    return true
  }
}

/** A frame with a checksum, from the reference compressor; the bundled one writes none. */
function zstdWithChecksum(bytes: Uint8Array, level = '-3'): Buffer | undefined {
  try {
    return execFileSync('zstd', ['-q', '--check', level, '-c'], { input: bytes, maxBuffer: 1 << 28 })
  } catch {
    return undefined
  }
}

const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')])

test('every compression, in chunks of any size', async () => {
  const packed = { none: words, gzip: gzipSync(words), zstd: await zstdCompress(words, 3) }
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    for (const size of [511, 512, 513, 65_536, 10_000_000]) {
      assert.ok((await unpack(packed[compression], compression, size)).equals(words), `${compression} ${size}`)
    }
  }
  const short = words.subarray(0, 3000)
  assert.ok((await unpack(short, 'none', 1)).equals(short))
  assert.ok((await unpack(gzipSync(short), 'gzip', 1)).equals(short))
  assert.ok((await unpack(await zstdCompress(short, 3), 'zstd', 1)).equals(short))
})

test('what a section gave stays as it is when others are decoded, whole or damaged', async () => {
  const [first, second] = [words.subarray(0, 300_000), Buffer.from('x'.repeat(1000))]
  const packed = await Promise.all([first, second].map((bytes) => zstdCompress(bytes, 3)))
  const [large, small] = packed.map((bytes) => decompressSection(bytes, words.length))
  assert.throws(() => decompressSection(packed[0].subarray(0, -1), words.length), corrupt(/cut short/))
  assert.ok(decompressSection(packed[1], words.length).equals(second))
  assert.ok(large.equals(first) && small.equals(second))
})

test('members and frames are joined, skippable frames passed over', async () => {
  const twice = Buffer.concat([words, words])
  assert.ok(
    (await unpack(Buffer.concat([gzipSync(words), gzipSync(Buffer.alloc(0)), gzipSync(words)]), 'gzip', 100)).equals(
      twice,
    ),
  )
  const frame = await zstdCompress(words, 19)
  const empty = await zstdCompress(Buffer.alloc(0), 3)
  const joined = Buffer.concat([skippable, frame, empty, skippable, skippable, frame, skippable])
  for (const size of [7, 4096]) assert.ok((await unpack(joined, 'zstd', size)).equals(twice))
  assert.equal((await unpack(empty, 'zstd')).length, 0)
  assert.equal((await unpack(skippable, 'zstd')).length, 0)
})

test('nothing, junk and truncation are errors', async () => {
  const gzip = gzipSync(words)
  const zstd = await zstdCompress(words, 3)
  for (const [compression, packed] of [
    ['gzip', gzip],
    ['zstd', zstd],
  ] as const) {
    await assert.rejects(unpack(Buffer.alloc(0), compression), corrupt(/no data/))
    for (const junk of ['junk', '\0', '\0\0\0\0\0\0\0\0\0\0\0\0', '\0junk', packed.subarray(0, 3)]) {
      const bad = Buffer.concat([packed, Buffer.from(junk)])
      for (const size of [65_536, 100, packed.length]) {
        await assert.rejects(
          unpack(bad, compression, size),
          corrupt(/junk|corrupt|cut short/),
          `${compression} ${String(junk)} ${size}`,
        )
      }
    }
    for (const length of [1, 3, 9, 100, packed.length - 9, packed.length - 1]) {
      await assert.rejects(
        unpack(packed.subarray(0, length), compression),
        corrupt(/cut short/),
        `${compression} ${length}`,
      )
    }
    await assert.rejects(unpack(Buffer.from('neither of them'), compression), corrupt(/corrupt|does not begin/))
  }
  await assert.rejects(unpack(skippable.subarray(0, 9), 'zstd'), corrupt(/cut short/))
})

test('the portable decoder tells a cut from damage', async () => {
  const packed = gzipSync(words)
  const refusal = (bytes: Uint8Array) => readAll(gunzip(inChunks(bytes, 100)))
  await assert.rejects(refusal(packed.subarray(0, -1)), corrupt(/cut short after \d+ bytes$/))
  await assert.rejects(refusal(Buffer.concat([packed, Buffer.from('junk')])), corrupt(/is corrupt \(/))
})

test('a flipped bit in gzip is found', async () => {
  const packed = gzipSync(noise(5000))
  for (const at of [200, packed.length - 6, packed.length - 2]) {
    const bad = Buffer.from(packed)
    bad[at] ^= 16
    await assert.rejects(unpack(bad, 'gzip'), corrupt(/corrupt/))
  }
})

test('zstd: checksums are verified', async (t) => {
  const packed = zstdWithChecksum(noise(5000))
  if (packed === undefined) return t.skip('no zstd program')
  assert.ok((await unpack(packed, 'zstd')).equals(noise(5000)))
  // Noise is stored in raw blocks: nothing but the checksum can tell.
  for (const at of [1000, packed.length - 1]) {
    const bad = Buffer.from(packed)
    bad[at] ^= 16
    await assert.rejects(unpack(bad, 'zstd'), corrupt(/checksum/))
  }
})

test('zstd: levels and long windows of the reference compressor', async (t) => {
  const input = Buffer.concat([
    words,
    noise(150_000),
    words,
    Buffer.alloc(3_000_000, 'x'),
    noise(150_000),
    words.subarray(5),
  ])
  for (const level of ['-1', '-3', '-19', '--fast=4', '--long=27']) {
    const packed = zstdWithChecksum(input, level)
    if (packed === undefined) return t.skip('no zstd program')
    assert.ok((await unpack(packed, 'zstd', 50_000)).equals(input), level)
  }
})

/** A frame whose second block has `count` matches of three bytes, whose offsets are 4 and 1 in turns, and no literals. */
function frameOfMatches(count: number, statedAs: readonly number[]): { frame: Buffer; content: Buffer } {
  const start = Buffer.from('abcd')
  const content = Buffer.alloc(start.length + 3 * count)
  start.copy(content)
  for (let i = 0, at = start.length; i < count; i++) {
    for (const offset = i % 2 === 0 ? 4 : 1, end = at + 3; at < end; at++) content[at] = content[at - offset]
  }
  // Each table has one code: no literals, the repeated offset 1, a match of three bytes. None takes bits.
  const block = Buffer.from([0, ...statedAs, 0b01_01_01_00, 0, 0, 0, 1])
  const [first, second] = [Buffer.alloc(3), Buffer.alloc(3)]
  first.writeUIntLE(start.length << 3, 0, 3)
  second.writeUIntLE((block.length << 3) | 0b101, 0, 3)
  return { frame: Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), first, start, second, block]), content }
}

test('zstd: numbers of sequences in one, two and three bytes', async () => {
  for (const [count, statedAs] of [
    [1, [1]],
    [127, [127]],
    [128, [128, 128]],
    [0x1234, [0x80 + 0x12, 0x34]],
    [0x7eff, [254, 255]],
    [0x7f00, [255, 0, 0]],
    [0x7f00 + 0x1234, [255, 0x34, 0x12]],
  ] as const) {
    const { frame, content } = frameOfMatches(count, statedAs)
    assert.ok((await unpack(frame, 'zstd')).equals(content), `${count}`)
    assert.ok((await readAll(unzstd(inChunks(frame, 65_536)))).equals(content), `${count}, portable`)
  }
})

test('zstd: frames no decoder should take', async () => {
  const frame = (...bytes: number[]): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes])
  const table: [Buffer, RegExp][] = [
    [frame(0x00, 0xf8, 0x01, 0, 0), /window of \d+ bytes/],
    [frame(0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0), /window of/],
    [frame(0x08, 0x00, 1, 0, 0), /reserved bit/],
    [frame(0x01, 0x00, 7, 1, 0, 0), /dictionary/],
    [frame(0x00, 0x00, 7, 0, 0), /reserved type/],
    [frame(0x00, 0x00, 0x03, 0x40, 0), /larger than the window/],
    // A single segment of two bytes, in a compressed block of four.
    [frame(0x20, 2, 0x25, 0, 0, 0x10, 0x61, 0x62, 0), /larger than the window/],
    // States one byte, gives none.
    [frame(0x20, 1, 1, 0, 0), /less than it states/],
    [frame(0x20, 1, 0x0a, 0, 0, 65, 0x0b, 0, 0, 65), /more than it states/],
    // Two symbols of weight 11, so that codes of one bit are the longest.
    [frame(0x00, 0x58, 0x3d, 0, 0, 0x12, 0xc0, 0, 0x80, 0xb0, 0x02, 0), /shorter codes/],
    // Four literals in as many streams.
    [
      frame(0x00, 0x58, 0x85, 0, 0, 0x46, 0, 0x03, 0x80, 0x10, 1, 0, 1, 0, 1, 0, 2, 2, 2, 2, 0),
      /too few literals for four streams/,
    ],
    // A compressed block whose Huffman tree of one FSE symbol takes no bits: others loop for ever on it.
    [frame(0x00, 0x58, 0x55, 0, 0, 0xa2, 0x80, 0x01, 4, 0xf0, 0x03, 0xff, 0xff, 1, 0), /too many symbols/],
  ]
  for (const [bytes, message] of table) {
    await assert.rejects(unpack(bytes, 'zstd'), corrupt(/./))
    // The messages are those of the portable decoder.
    await assert.rejects(readAll(unzstd(inChunks(bytes, 65_536))), corrupt(message))
  }
})

test('memory stays bounded: a bomb only streams, and a reader that stops ends it', async () => {
  const member = gzipSync(Buffer.alloc(16 << 20))
  const gzipBomb = Buffer.concat(Array.from({ length: 60 }, () => member))
  // 128 KiB of zeros in four bytes, again and again.
  const block = Buffer.from([0x02, 0x00, 0x10, 0x00])
  const zstdBomb = Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]),
    ...Array.from({ length: 200_000 }, () => block),
  ])
  for (const [compression, packed] of [
    ['gzip', gzipBomb],
    ['zstd', zstdBomb],
  ] as const) {
    let read = 0
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (let at = 0; at < packed.length; at += 100) {
          read = at
          yield packed.subarray(at, at + 100)
        }
      } finally {
        closed = true
      }
    }
    let total = 0
    for await (const chunk of decompress(source(), compression)) {
      assert.ok(chunk.length > 0 && chunk.length <= MAX_OUTPUT_CHUNK)
      total += chunk.length
      if (total > 8 << 20) break
    }
    assert.ok(read < packed.length / 2, `${compression}: read ${read} of ${packed.length}`)
    assert.equal(closed, true)
  }
})

test('cancellation gets through a bomb, and errors of the source come out as they are', async () => {
  const controller = new AbortController()
  const packed = gzipSync(Buffer.alloc(16 << 20))
  setTimeout(() => controller.abort(), 10)
  await assert.rejects(
    async () => {
      // 16 GiB, which no machine decodes before the timer is due.
      const bomb = inChunks(Buffer.concat(Array.from({ length: 1000 }, () => packed)), 65_536)
      for await (const chunk of decompress(bomb, 'gzip', { signal: controller.signal })) void chunk
    },
    (error) => error instanceof SluiceError && error.code === 'SLUICE_CANCELLED',
  )
  const failure = new SluiceError('SLUICE_NETWORK', 'gone')
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield gzipSync(words).subarray(0, 50)
    throw failure
  }
  for (const compression of ['none', 'gzip'] as const) {
    await assert.rejects(readAll(decompress(failing(), compression)), (error) => error === failure)
  }
})

test('xxHash64: the checksums that the reference compressor stores, in any pieces', () => {
  // The last four bytes of `zstd --check` (1.5.4) for the first so many bytes of the noise.
  const table: [number, number][] = [
    [0, 0x51d8e999],
    [1, 0xa06552ef],
    [3, 0x93f9da76],
    [4, 0xe6a66975],
    [7, 0xe46fa72a],
    [8, 0x39f29efd],
    [12, 0xce13444],
    [31, 0xb57d2b05],
    [32, 0xbf7c7848],
    [33, 0x521bed5d],
    [63, 0xa1ac4e41],
    [64, 0x38918ec5],
    [100, 0x50247cae],
    [5000, 0xb788e938],
  ]
  for (const [length, checksum] of table) {
    for (const size of [1, 31, 32, 33, 1000]) assert.equal(digestOf(noise(length), size), checksum, `${length} ${size}`)
  }
})

function digestOf(bytes: Buffer, size: number): number {
  const hash = new Xxh64()
  for (let at = 0; at < bytes.length; at += size) hash.update(bytes.subarray(at, at + size))
  return hash.digest32()
}
