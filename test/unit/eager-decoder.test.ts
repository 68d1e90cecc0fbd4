/** Decoders that go on before they are asked: the same bytes, the same failures, and no slab lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { StageMeter } from '../../src/flow/meter.js'
import type { DecoderStep } from '../../src/native/codec-library.js'
import { isalUsable } from '../../src/native/isal.js'
import { PinnedBuffer } from '../../src/native/pinned-buffer.js'
import { localDecoder, type Decoder } from '../../src/stages/decompress/decoder.js'
import { nativeGunzip } from '../../src/stages/decompress/native-gunzip.js'
import { blobSlabDigest } from '../../src/stages/slab/slab-digest.js'
import { SLAB_HEADROOM, slabMemory, SlabPool } from '../../src/stages/slab/slab-pool.js'
import { EagerDecoder, type DecodeRequest } from '../../src/workers/eager-decoder.js'
import type { DecodeTask } from '../../src/workers/messages.js'
import { MIN_MEMORY } from '../../src/options.js'
import { divideMemory, openEngine } from '../../src/workers/open-engine.js'
import { remoteDecoder } from '../../src/workers/remote-decoder.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

const skip = isalUsable() ? false : 'libisal is missing, or native code is off'

/** What comes out is some twice of what goes in. */
const plain = Buffer.from(noise(1_500_000, 'eager').toString('hex').repeat(2))
const packed = gzipSync(plain)
const HEADER_BYTES = 10
const noHeader = new Uint8Array(0)

/** Half of it, then a block of a type that there is not. */
const damaged = Buffer.concat([
  packed.subarray(0, HEADER_BYTES),
  deflateRawSync(plain.subarray(0, plain.length / 2), { finishFlush: constants.Z_SYNC_FLUSH }),
  Buffer.alloc(100_000, 0x07),
])

const clock = (): (() => number) => {
  let now = 0
  return () => ++now
}

test('steps made ahead are the steps that are asked for', { skip }, () => {
  const decoder = new EagerDecoder(localDecoder('gzip'), clock())
  const outputs = [PinnedBuffer.allocate(100_000), PinnedBuffer.allocate(100_000)]
  const pieces: Buffer[] = []
  let input: Uint8Array = packed.subarray(HEADER_BYTES)
  let ahead = 0
  for (let i = 0, finished = false; !finished; i++) {
    const [output, next] = [outputs[i % 2], outputs[(i + 1) % 2]]
    const { result, startedAt, endedAt } = decoder.step({
      begin: i === 0 ? noHeader : undefined,
      input,
      output,
      at: 0,
      next,
    })
    assert.ok(endedAt > startedAt)
    const { consumed, produced, finished: isLast } = result()
    pieces.push(Buffer.from(output.bytes.subarray(0, produced)))
    input = input.subarray(consumed)
    finished = isLast
    // Not always: who asks may be faster.
    if (i % 3 === 0 || !decoder.canGoOn) continue
    decoder.goOn()
    ahead++
    assert.equal(decoder.canGoOn, false)
  }
  assert.ok(Buffer.concat(pieces).equals(plain))
  assert.ok(ahead > 20)
})

test('nothing is made ahead without memory for it, without input, or after the end', { skip }, () => {
  const small = gzipSync(Buffer.alloc(1000, 'x')).subarray(HEADER_BYTES)
  const next = PinnedBuffer.allocate(100)
  const goesOn = (request: Omit<DecodeRequest, 'begin' | 'at'>): boolean => {
    const decoder = new EagerDecoder(localDecoder('gzip'), clock())
    decoder.step({ begin: noHeader, at: 0, ...request }).result()
    const { canGoOn } = decoder
    decoder.close()
    assert.equal(decoder.canGoOn, false)
    return canGoOn
  }
  const input = packed.subarray(HEADER_BYTES)
  assert.equal(goesOn({ input, output: PinnedBuffer.allocate(100), next }), true)
  assert.equal(goesOn({ input, output: PinnedBuffer.allocate(100), next: undefined }), false)
  assert.equal(goesOn({ input: input.subarray(0, 1000), output: PinnedBuffer.allocate(100_000), next }), false)
  assert.equal(goesOn({ input: small, output: PinnedBuffer.allocate(1000), next }), false)
})

test('a failure that came ahead is told when its step is asked for', { skip }, () => {
  const decoder = new EagerDecoder(localDecoder('gzip'), clock())
  const output = PinnedBuffer.allocate(100_000)
  const decode = (): void => {
    let input: Uint8Array = damaged.subarray(HEADER_BYTES)
    for (let i = 0; ; i++) {
      const begin = i === 0 ? noHeader : undefined
      const { consumed } = decoder.step({ begin, input, output, at: 0, next: output }).result()
      input = input.subarray(consumed)
      assert.doesNotThrow(() => decoder.goOn())
    }
  }
  assert.throws(decode, { code: 'SLUICE_COMPRESSION', message: /invalid block/ })
})

test('what is copied for a decoder in another thread is not decoded ahead', async () => {
  const slabs = new SlabPool(3)
  const tasks: DecodeTask[] = []
  const run = (task: DecodeTask): Promise<DecoderStep> => {
    tasks.push(task)
    return Promise.resolve({ consumed: 1, produced: 1, finished: false })
  }
  const signal = AbortSignal.timeout(10_000)
  const decoder = remoteDecoder('gzip', 0, { run, close: () => Promise.resolve(), slabs, signal })
  const [output, next] = [slabs.tryTake()!, slabs.tryTake()!]
  await decoder.step(output.bytes.subarray(SLAB_HEADROOM, SLAB_HEADROOM + 10), output.room, 0, () => next.room)
  await decoder.step(Buffer.alloc(10), output.room, 0, () => next.room)
  assert.deepEqual(
    tasks.map(({ next }) => next),
    [next.index, undefined],
  )
  await decoder.close()
  assert.ok(slabs.tryTake() !== undefined)
})

test('memory is given back only when no decoder writes to it any more', async () => {
  let isClosed = false
  const given: boolean[] = []
  const memory = {
    take: () => PinnedBuffer.allocate(10),
    tryTake: () => PinnedBuffer.allocate(10),
    give: () => void given.push(isClosed),
  }
  const decoder: Decoder = {
    begin: () => undefined,
    step: (_input, _output, _at, next) => {
      assert.ok(next?.() !== undefined)
      return { consumed: 1, produced: 10, finished: false }
    },
    close: async () => {
      await sleep(5)
      isClosed = true
    },
  }
  const source = async function* () {
    yield packed
  }
  for await (const chunk of nativeGunzip(source(), { memory, open: () => decoder })) {
    assert.equal(chunk.length, 10)
    break
  }
  // The chunk that came out is the consumer's no more, the next one was still the decoder's.
  assert.deepEqual(given, [false, true])
})

test('in another thread: the bytes are right, and who stops anywhere gets all slabs back', { skip }, async (t) => {
  const repository = await temporaryRepository(t)
  const engine = openEngine(repository, { threads: 2, maxMemory: MIN_MEMORY, layers: 1 })
  t.after(() => engine.close())
  const { slabs: count } = divideMemory(MIN_MEMORY, 1)
  const signal = AbortSignal.timeout(120_000)
  const cut = async function* (bytes: Buffer) {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }

  const cases = [
    { blob: packed, content: plain, stopAfter: Infinity },
    { blob: damaged, content: undefined, stopAfter: Infinity },
    ...[1, 1, 1, 2, 3, 4, 5].map((stopAfter) => ({ blob: packed, content: plain, stopAfter })),
  ]
  for (const { blob, content, stopAfter } of cases) {
    const digest = blobSlabDigest(engine, 'sha256', signal)
    const options = {
      memory: slabMemory(engine.slabs, new StageMeter('decompress'), signal),
      open: () => engine.workers.decoder('gzip', signal),
    }
    const seen: Buffer[] = []
    const read = async (): Promise<void> => {
      for await (const chunk of nativeGunzip(digest.through(cut(blob)), options)) {
        if (chunk.length > 0) seen.push(Buffer.from(chunk))
        if (seen.length >= stopAfter) break
      }
    }
    if (content === undefined) await assert.rejects(read(), { code: 'SLUICE_COMPRESSION' })
    else await read()
    if (content !== undefined && stopAfter === Infinity) {
      assert.ok(Buffer.concat(seen).equals(content))
      await digest.end()
    } else digest.abort()

    const free = await Promise.all(Array.from({ length: count }, () => engine.slabs.take(signal)))
    for (const slab of free) slab.bytes.fill(0)
    await sleep(20)
    assert.ok(
      free.every(({ bytes }) => bytes.every((byte) => byte === 0)),
      'the thread has written to a slab that it had given back',
    )
    for (const slab of free) engine.slabs.give(slab)
  }
})
