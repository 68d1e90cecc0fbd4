/** The decoders on libisal and libzstd: side by side with the portable ones, at every seam, and in what they leave behind. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { compress as zstdCompress } from '@mongodb-js/zstd'
import { SluiceError } from '../../src/errors.js'
import { TestedLibrary } from '../../src/native/codec-library.js'
import { isalUsable } from '../../src/native/isal.js'
import { openLibrary } from '../../src/native/library.js'
import { libzstdUsable, ZstdDecoder } from '../../src/native/zstd.js'
import { PinnedBuffer } from '../../src/native/pinned-buffer.js'
import { CompressedReader } from '../../src/stages/decompress/compressed-reader.js'
import { decompress } from '../../src/stages/decompress/decompress.js'
import { gather } from '../../src/stages/decompress/gather.js'
import { gunzip } from '../../src/stages/decompress/gunzip.js'
import { nativeGunzip } from '../../src/stages/decompress/native-gunzip.js'
import { NativeOutput } from '../../src/stages/decompress/native-output.js'
import { freshMemory } from '../../src/stages/decompress/output-memory.js'
import { nativeUnzstd } from '../../src/stages/decompress/native-unzstd.js'
import { unzstd } from '../../src/stages/decompress/unzstd.js'
import { verdict, withChecksum, type Decoder } from '../helpers/decoders.js'
import { inChunks, readAll } from '../helpers/registry-client.js'
import { noise } from '../helpers/registry-images.js'

const needsIsal = { skip: !isalUsable() && 'libisal is not usable here, or SLUICE_NATIVE=off' }
const needsZstd = { skip: !libzstdUsable() && 'libzstd is not usable here, or SLUICE_NATIVE=off' }
const needsBoth = { skip: needsIsal.skip || needsZstd.skip }

const MIB = 1024 * 1024
const words = Buffer.from(Array.from({ length: 10_000 }, (_, i) => `word ${(i * 7919) % 1013} of ${i % 97}\n`).join(''))
/** More than one chunk of input, and of output. */
const large = Buffer.concat([noise(300_000), Buffer.alloc(900_000, 'x'), words, words])

/** A gzip member around a deflate stream. */
function member(deflated: Uint8Array, content: Uint8Array, header: Uint8Array = plainHeader): Buffer {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(content), 0)
  trailer.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, deflated, trailer])
}

const plainHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])

async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all
}

async function sameVerdict(portable: Decoder, native: Decoder, packed: Buffer, name: string): Promise<void> {
  for (const size of [1, 7, packed.length]) {
    const expected = await verdict(portable, inChunks(packed, size))
    const got = await verdict(native, inChunks(packed, size))
    if (expected instanceof SluiceError)
      assert.ok(got instanceof SluiceError, `${name}: not refused: ${expected.message}`)
    else assert.deepEqual(got, expected, name)
  }
}

test('a library that is installed passes its test; one that fails it counts as missing', () => {
  assert.equal(isalUsable(), openLibrary('libisal') !== undefined)
  assert.equal(libzstdUsable(), openLibrary('libzstd') !== undefined)
  if (openLibrary('libzstd') === undefined) return
  let runs = 0
  const passing = new TestedLibrary('libzstd', () => ++runs > 0)
  assert.deepEqual([passing.usable(), passing.usable(), runs], [true, true, 1])
  assert.equal(new TestedLibrary('libzstd', () => false).usable(), false)
  const throwing = new TestedLibrary('libzstd', () => {
    throw new Error('Cannot find "x" function in shared library')
  })
  assert.equal(throwing.usable(), false)
})

test('SLUICE_NATIVE=off: the portable decoders do the same, and nothing is loaded', () => {
  const at = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href)
  const script = `
    import { createRequire } from 'node:module'
    import { gzipSync } from 'node:zlib'
    const { compress } = await import('@mongodb-js/zstd')
    const { decompress } = await import(${at('src/stages/decompress/decompress.js')})
    const { isalUsable } = await import(${at('src/native/isal.js')})
    const { libzstdUsable } = await import(${at('src/native/zstd.js')})
    const out = []
    const packed = { gzip: gzipSync('text'), zstd: await compress(Buffer.from('text')) }
    for (const name of ['gzip', 'zstd']) for await (const chunk of decompress((async function* () { yield packed[name] })(), name)) out.push(Buffer.from(chunk).toString())
    const loaded = Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('ffi-rs'))
    console.log(JSON.stringify([out, isalUsable(), libzstdUsable(), loaded]))`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, SLUICE_NATIVE: 'off' },
    cwd: new URL('../../..', import.meta.url),
    encoding: 'utf8',
  })
  assert.equal(run.status, 0, run.stderr)
  assert.deepEqual(JSON.parse(run.stdout), [['text', 'text'], false, false, false])
})

test('gzip: headers of every shape, as zlib takes or refuses them', needsIsal, async () => {
  const stream = deflateRawSync('text')
  const header = (flags: number, rest = '', method = 8, crc?: number): Buffer => {
    const bytes = Buffer.concat([
      Buffer.from([0x1f, 0x8b, method, flags, 1, 2, 3, 4, 5, 6]),
      Buffer.from(rest, 'latin1'),
    ])
    if ((flags & 2) === 0) return bytes
    const stored = Buffer.alloc(2)
    stored.writeUInt16LE((crc ?? crc32(bytes)) & 0xffff)
    return Buffer.concat([bytes, stored])
  }
  const good: Buffer[] = [
    header(0),
    header(1),
    header(2),
    header(4, '\x03\0abc'),
    header(4, '\0\0'),
    header(8, 'name\0'),
    header(8, '\0'),
    header(8, `${'long'.repeat(50_000)}\0`),
    header(16, 'comment\0'),
    header(31, '\x03\0\0\0\0name\0comment\0'),
  ]
  const bad = [
    header(2, '', 8, 1),
    header(31, '\x03\0\0\0\0name\0comment\0', 8, 1),
    header(0x20),
    header(0x40),
    header(0x80),
    header(0, '', 7),
    header(0, '', 9),
    Buffer.from([0x1f, 0x8c, 8, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([0x1e, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]),
    header(8, 'no end'),
    header(4, '\xff\xff'),
  ]
  for (const [i, header] of [...good, ...bad].entries()) {
    const packed = member(stream, Buffer.from('text'), header)
    const one = await verdict(nativeGunzip, pieces(packed))
    assert.equal(one instanceof SluiceError, i >= good.length, `header ${i}`)
    if (header.length < 1000) await sameVerdict(gunzip, nativeGunzip, packed, `header ${i}`)
    // Cut anywhere in the header.
    for (let length = 1; length < Math.min(header.length, 40); length++) {
      const cut = await verdict(nativeGunzip, pieces(packed.subarray(0, length)))
      assert.ok(cut instanceof SluiceError, `header ${i} cut to ${length}`)
    }
  }
})

test('gzip: deflate streams that no encoder makes, as zlib takes or refuses them', needsIsal, async () => {
  const streams: readonly [string, string, string][] = [
    ['stored', '0101 00fe ff61', 'a'],
    ['stored, its padding not zero', 'f901 00fe ff61', 'a'],
    ['stored, empty', '0100 00ff ff', ''],
    ['stored, the lengths do not match', '0101 00ff ff61', 'a'],
    ['a block of a reserved type', '0700 00', ''],
    ['fixed, with a match', '4b04 0100', 'aaaa'],
    ['fixed, the length code 286', '4b1c 0300', 'a'],
    ['fixed, the distance code 30', '4b04 3c00 0000', 'a'],
    ['fixed, a match before the beginning', '0302 0000', 'aaa'],
  ]
  for (const [name, hex, content] of streams) {
    const packed = member(Buffer.from(hex.replaceAll(' ', ''), 'hex'), Buffer.from(content))
    await sameVerdict(gunzip, nativeGunzip, packed, name)
    // The window begins anew with each member.
    await sameVerdict(gunzip, nativeGunzip, Buffer.concat([gzipSync('words before it'), packed]), `${name}, second`)
  }
})

test(
  'gzip: an incomplete Huffman code with a right CRC is the one thing libisal takes and zlib does not',
  needsIsal,
  async () => {
    // A dynamic block in which "a" has the code 0 and the end of the block 10; 11 is free, and there are no distances.
    const packed = member(Buffer.from('05c0010900000080a0adfe3f1102', 'hex'), Buffer.from('a'))
    const portable = await verdict(gunzip, pieces(packed))
    assert.ok(portable instanceof SluiceError)
    assert.match(portable.message, /invalid literal\/lengths set/)
    assert.deepEqual(await verdict(nativeGunzip, pieces(packed)), Buffer.from('a'))
  },
)

test('gzip: the end of a member next to the end of a chunk', needsIsal, async () => {
  const content = noise(70_000)
  const one = gzipSync(content)
  const packed = Buffer.concat([one, gzipSync(words)])
  const expected = Buffer.concat([content, words])
  for (let shift = -20; shift <= 12; shift++) {
    const at = one.length + shift
    const output = await readAll(nativeGunzip(pieces(packed.subarray(0, at), packed.subarray(at))))
    assert.ok(output.equals(expected), `${shift}`)
    if (shift !== 0)
      await assert.rejects(readAll(nativeGunzip(pieces(packed.subarray(0, at)))), { code: 'SLUICE_COMPRESSION' })
  }
  // A wrong CRC and a wrong size, wherever the trailer is cut.
  for (const wrong of [8, 7, 6, 5, 4, 3, 2, 1]) {
    const bad = Buffer.from(one)
    bad[bad.length - wrong] ^= 1
    for (let cut = 1; cut < 10; cut++) {
      const at = bad.length - cut
      const error = await verdict(nativeGunzip, pieces(bad.subarray(0, at), bad.subarray(at)))
      assert.ok(error instanceof SluiceError)
      assert.match(error.message, wrong > 4 ? /CRC of a member/ : /size of a member/)
    }
  }
})

test('output is in chunks of 1 MiB', needsBoth, async () => {
  for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]) {
    const content = Buffer.alloc(size, words)
    for (const [native, packed] of [
      [nativeGunzip, gzipSync(content, { level: 1 })],
      [nativeUnzstd, await zstdCompress(content, 1)],
    ] as const) {
      for (const joined of [packed, Buffer.concat([packed, packed])]) {
        const chunks: Uint8Array[] = []
        for await (const chunk of native(inChunks(joined, 65_536))) if (chunk.length > 0) chunks.push(chunk)
        const expected = joined === packed ? content : Buffer.concat([content, content])
        assert.ok(Buffer.concat(chunks).equals(expected), `${native.name} ${size}`)
        const last = expected.length % MIB
        const lengths = [...Array.from({ length: Math.floor(expected.length / MIB) }, () => MIB), last]
        assert.deepEqual(
          chunks.map((chunk) => chunk.length),
          last === 0 ? lengths.slice(0, -1) : lengths,
        )
      }
    }
  }
})

test('zstd: frames as the portable decoder takes or refuses them', needsZstd, async () => {
  const frame = (...bytes: number[]): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes])
  const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')])
  const good = withChecksum(await zstdCompress(words.subarray(0, 5000), 3), words.subarray(0, 5000))
  const badChecksum = Buffer.from(good)
  badChecksum[badChecksum.length - 2] ^= 4
  const table: [string, Buffer][] = [
    ['a checksum', good],
    ['a wrong checksum', badChecksum],
    ['two frames and skippable ones', Buffer.concat([skippable, good, skippable, good, skippable])],
    ['skippable only', skippable],
    ['skippable, cut', skippable.subarray(0, 9)],
    ['an empty frame', frame(0x20, 0, 1, 0, 0)],
    ['a repeated byte', frame(0x20, 5, 0x2b, 0, 0, 65)],
    ['a window beyond 128 MiB', frame(0x00, 0x8a, 1, 0, 0)],
    ['a window beyond 128 MiB, the size known and small', frame(0x40, 0xf8, 0, 0, 3, 8, 0, 65)],
    ['a single segment beyond 128 MiB', frame(0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)],
    ['a reserved bit', frame(0x08, 0x00, 1, 0, 0)],
    ['a dictionary', frame(0x01, 0x00, 7, 1, 0, 0)],
    ['the dictionary 0', frame(0x01, 0x00, 0, 1, 0, 0)],
    ['a reserved type', frame(0x00, 0x00, 7, 0, 0)],
    ['a block larger than the window', frame(0x00, 0x00, 0x03, 0x40, 0)],
    ['less than it states', frame(0x20, 1, 1, 0, 0)],
    ['more than it states', frame(0x20, 1, 0x13, 0, 0, 65)],
    ['a Huffman tree without bits', frame(0x00, 0x58, 0x55, 0, 0, 0xa2, 0x80, 0x01, 4, 0xf0, 0x03, 0xff, 0xff, 1, 0)],
    ['more than it states, then an empty block', frame(0x20, 1, 0x12, 0, 0, 65, 1, 0, 0)],
    ['junk', Buffer.from('neither')],
    ['nothing', Buffer.alloc(0)],
    ['junk after it', Buffer.concat([good, Buffer.from('junk')])],
    ['a zero after it', Buffer.concat([good, Buffer.alloc(1)])],
    ['a magic after it', Buffer.concat([good, frame()])],
  ]
  for (const [name, packed] of table) await sameVerdict(unzstd, nativeUnzstd, packed, name)
  for (let length = 1; length < good.length; length += 1 + (length >> 4)) {
    const error = await verdict(nativeUnzstd, pieces(good.subarray(0, length)))
    assert.ok(error instanceof SluiceError)
    assert.match(error.message, /cut short/)
  }
  const error = await verdict(nativeUnzstd, pieces(badChecksum))
  assert.ok(error instanceof SluiceError)
  assert.match(error.message, /^zstd: the data is corrupt: .*checksum/)
})

test('millions of empty members and frames let cancellation through', needsBoth, async () => {
  for (const [compression, packed] of [
    ['gzip', gzipSync('')],
    ['zstd', await zstdCompress(Buffer.alloc(0), 3)],
  ] as const) {
    const bytes = Buffer.concat(Array.from({ length: 10_000 }, () => packed))
    const source = pieces(...Array.from({ length: 1000 }, () => bytes))
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 10)
    await assert.rejects(readAll(decompress(source, compression, { signal: controller.signal })), {
      code: 'SLUICE_CANCELLED',
    })
  }
})

test('a source that fails: its error as it is, and it is closed when a reader stops', needsBoth, async () => {
  for (const [native, packed] of [
    [nativeGunzip, gzipSync(large)],
    [nativeUnzstd, await zstdCompress(large, 3)],
  ] as const) {
    const failure = new SluiceError('SLUICE_NETWORK', 'gone')
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 100_000)
      throw failure
    }
    await assert.rejects(readAll(native(failing())), (error) => error === failure)
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield packed
        assert.fail('read on')
      } finally {
        closed = true
      }
    }
    for await (const chunk of native(source())) if (chunk.length > 0) break
    assert.equal(closed, true)
  }
})

test('worker threads decode at the same time', needsBoth, async () => {
  const url = (path: string) => JSON.stringify(new URL(`../../src/${path}.js`, import.meta.url).href)
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { createHash } = require('node:crypto')
    Promise.all([import(${url('stages/decompress/decompress')}), import(${url('native/isal')}), import(${url('native/zstd')})]).then(
      async ([{ decompress }, { isalUsable }, { libzstdUsable }]) => {
        const digests = [isalUsable(), libzstdUsable()]
        for (let i = 0; i < 5; i++) for (const name of ['gzip', 'zstd']) {
          const hash = createHash('sha256')
          for await (const chunk of decompress((async function* () { yield workerData[name] })(), name)) hash.update(chunk)
          digests.push(hash.digest('hex'))
        }
        parentPort.postMessage(digests)
      })`
  const workerData = { gzip: gzipSync(large), zstd: await zstdCompress(large, 3) }
  const expected = createHash('sha256').update(large).digest('hex')
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      const worker = new Worker(script, { eval: true, workerData })
      const digests = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      assert.deepEqual(digests, [true, true, ...Array.from({ length: 10 }, () => expected)])
      await worker.terminate()
    }),
  )
})

test('a compressed block without a byte is an empty one, for both decoders', needsZstd, async () => {
  const frame = Buffer.from('28b52ffd040005000099e9d851', 'hex')
  for (const decode of [unzstd, nativeUnzstd]) assert.equal((await readAll(decode(pieces(frame)))).length, 0)
})

test('contexts and windows are freed, whether the input ends, breaks or is left', needsZstd, async () => {
  const packed = await zstdCompress(Buffer.alloc(6 * MIB, words), 1)
  const bad = Buffer.concat([packed.subarray(0, -1), Buffer.from([0xff])])
  const round = async (): Promise<void> => {
    let size = 0
    for await (const chunk of nativeUnzstd(pieces(packed))) if ((size += chunk.length) > 4 * MIB) break
    await assert.rejects(readAll(nativeUnzstd(pieces(bad))), { code: 'SLUICE_COMPRESSION' })
    for await (const chunk of nativeUnzstd(pieces(packed))) void chunk
  }
  for (let i = 0; i < 5; i++) await round()
  const before = process.memoryUsage().rss
  for (let i = 0; i < 40; i++) await round()
  const grown = (process.memoryUsage().rss - before) / MIB
  // It is 4 MiB; with contexts that leak in one of the three ways it is 100.
  assert.ok(grown < 60, `grown by ${grown.toFixed(0)} MiB`)
})

test('a closed decoder is not called, and one that stands still is an error', needsZstd, async () => {
  const decoder = new ZstdDecoder()
  decoder.close()
  decoder.close()
  assert.throws(() => decoder.step(words, PinnedBuffer.allocate(10), 0), TypeError)
  const idle: Parameters<NativeOutput['decode']>[0] = {
    begin: () => undefined,
    step: () => ({ consumed: 0, produced: 0, finished: false }),
    close: () => undefined,
  }
  const reader = new CompressedReader(pieces(words), 'zstd')
  await assert.rejects(readAll(new NativeOutput(freshMemory).decode(idle, reader)), { code: 'SLUICE_NATIVE' })
})

test('small chunks are joined, large ones passed on as they are', async () => {
  const chunks = [3, 3, 3, 20, 4, 10, 1].map((length, i) => Buffer.alloc(length, i))
  const gathered: Uint8Array[] = []
  for await (const chunk of gather(pieces(...chunks), 8)) gathered.push(chunk)
  assert.deepEqual(
    gathered.map((chunk) => chunk.length),
    [9, 20, 14, 1],
  )
  assert.equal(gathered[1], chunks[3])
  assert.deepEqual(Buffer.concat(gathered), Buffer.concat(chunks))
})
