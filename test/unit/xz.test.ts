/** xz streams: by liblzma and by the program `xz`, side by side, whole, cut, damaged and too large. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { SluiceError } from '../../src/errors.js'
import { openLibrary } from '../../src/native/library.js'
import { lzmaUsable, XzDecoder } from '../../src/native/lzma.js'
import { PinnedBuffer } from '../../src/native/pinned-buffer.js'
import { decompressXz } from '../../src/stages/ostree-delta/decompress-xz.js'
import { noise } from '../helpers/registry-images.js'

const hasXz = spawnSync('xz', ['--version']).status === 0
const skip = !hasXz && 'no xz to compress with'
const needsLzma = { skip: skip || (!lzmaUsable() && 'liblzma is not usable here, or SLUICE_NATIVE=off') }

const MIB = 1024 * 1024
const never = new AbortController().signal

function xz(content: Uint8Array, ...words: string[]): Buffer {
  const { stdout, status } = spawnSync('xz', ['--compress', '--stdout', ...words], {
    input: content,
    maxBuffer: 99 * MIB,
  })
  assert.equal(status, 0)
  return stdout
}

const words = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `word ${(i * 7919) % 1013} of ${i % 97}\n`).join(''))
/** More than one piece of input, and of output. */
const large = Buffer.concat([noise(200_000), Buffer.alloc(3 * MIB, 'x'), words])

type Verdict = Buffer | SluiceError['code']

async function verdict(packed: Buffer, limit: number): Promise<Verdict> {
  try {
    return await decompressXz(packed, limit, never)
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error))
    return error.code
  }
}

/** The verdict of the program, which is asked where native code is off: that is settled once for a process. */
async function withoutNative(packed: Buffer, limit: number): Promise<Verdict> {
  const module = JSON.stringify(new URL('../../src/stages/ostree-delta/decompress-xz.js', import.meta.url).href)
  const script = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { decompressXz } = await import(${module})
    const { packed, limit } = workerData
    const told = await decompressXz(packed, limit, new AbortController().signal).catch((error) => error.code)
    parentPort.postMessage(told)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    env: { ...process.env, SLUICE_NATIVE: 'off' },
    workerData: { packed, limit },
  })
  const [told] = (await once(worker, 'message')) as [Uint8Array | SluiceError['code']]
  return typeof told === 'string' ? told : Buffer.from(told)
}

test('liblzma passes its test where it is installed', () => {
  assert.equal(lzmaUsable(), openLibrary('liblzma') !== undefined)
})

const noBytes = Buffer.alloc(0)

/** The stream with another number for its check, of as many bytes as the CRC-64 that it has. */
function unknownCheck(packed: Buffer): Buffer {
  const changed = Buffer.from(packed)
  const footer = changed.length - 12
  changed[7] = changed[footer + 9] = 5
  changed.writeUInt32LE(crc32(changed.subarray(6, 8)), 8)
  changed.writeUInt32LE(crc32(changed.subarray(footer + 4, footer + 10)), footer)
  return changed
}

const cases: readonly (readonly [name: string, () => Buffer, limit: number, expected: () => Verdict])[] = [
  ['nothing', () => xz(Buffer.alloc(0)), 0, () => Buffer.alloc(0)],
  ['a few bytes', () => xz(Buffer.from('text')), 4, () => Buffer.from('text')],
  ['much, as libostree packs it', () => xz(large, '-8', '--check=crc64'), large.length, () => large],
  ['several blocks, SHA-256', () => xz(large, '--block-size=65536', '--check=sha256'), large.length, () => large],
  ['a filter', () => xz(large, '--x86', '--lzma2'), large.length, () => large],
  ['one byte too many', () => xz(large), large.length - 1, () => 'SLUICE_UNSUPPORTED'],
  ['much of little', () => xz(Buffer.alloc(20 * MIB)), MIB, () => 'SLUICE_UNSUPPORTED'],
  ['the largest window of a preset', () => xz(words, '-9'), words.length, () => words],
  ['a larger window', () => xz(words, '--lzma2=dict=96MiB'), 10 * MIB, () => 'SLUICE_COMPRESSION'],
  ['junk behind it', () => Buffer.concat([xz(words), Buffer.from('junk')]), MIB, () => 'SLUICE_COMPRESSION'],
  ['two streams', () => Buffer.concat([xz(words), xz(words)]), MIB, () => 'SLUICE_COMPRESSION'],
  ['an empty stream behind it', () => Buffer.concat([xz(words), xz(noBytes)]), MIB, () => 'SLUICE_COMPRESSION'],
  ['padding behind it', () => Buffer.concat([xz(words), Buffer.alloc(4)]), MIB, () => 'SLUICE_COMPRESSION'],
  ['a check that nobody knows', () => unknownCheck(xz(words)), MIB, () => words],
  ['no bytes', () => Buffer.alloc(0), MIB, () => 'SLUICE_COMPRESSION'],
  ['another format', () => xz(words, '--format=lzma'), MIB, () => 'SLUICE_COMPRESSION'],
  ['cut at its end', () => xz(large).subarray(0, -1), large.length, () => 'SLUICE_COMPRESSION'],
  ['cut in the middle', () => xz(large).subarray(0, 100_000), large.length, () => 'SLUICE_COMPRESSION'],
]

for (const [name, make, limit, expected] of cases) {
  test(`${name}: the same with liblzma and with the program`, { skip }, async () => {
    const packed = make()
    assert.deepEqual(await verdict(packed, limit), expected())
    assert.deepEqual(await withoutNative(packed, limit), expected())
  })
}

test('cut or changed anywhere, a stream is refused or gives the same', needsLzma, async () => {
  const content = words.subarray(0, 5000)
  const packed = xz(content)
  for (let at = 0; at < packed.length; at++) {
    assert.equal(await verdict(packed.subarray(0, at), MIB), 'SLUICE_COMPRESSION', `cut at ${at}`)
    const changed = Buffer.from(packed)
    changed[at] ^= 0x10
    const told = await verdict(changed, MIB)
    if (told !== 'SLUICE_COMPRESSION') assert.deepEqual(told, content, `changed at ${at}`)
  }
})

test('a cancelled run stops, and a closed decoder refuses more', needsLzma, async () => {
  const packed = xz(large)
  await assert.rejects(decompressXz(packed, large.length, AbortSignal.abort()), { code: 'SLUICE_CANCELLED' })
  const decoder = new XzDecoder()
  decoder.close()
  decoder.close()
  assert.throws(() => decoder.step(packed, PinnedBuffer.allocate(16), 0), TypeError)
})
