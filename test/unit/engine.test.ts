/** Memory, order, threads and meters of a run. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SluiceError } from '../../src/errors.js'
import { ChromeTrace } from '../../src/flow/chrome-trace.js'
import { InOrder } from '../../src/flow/in-order.js'
import { StageMeter, type Span } from '../../src/flow/meter.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import { defaultThreads } from '../../src/native/cores.js'
import { TEMPORARY_PREFIX } from '../../src/repository/temporary-object.js'
import { noObjects } from '../../src/stages/object/object-batch.js'
import { fillSlabs } from '../../src/stages/slab/fill-slabs.js'
import { blobSlabDigest } from '../../src/stages/slab/slab-digest.js'
import { SLAB_BYTES, SLAB_FOOTPRINT, SLAB_HEADROOM, SlabPool, slabMemory } from '../../src/stages/slab/slab-pool.js'
import type { WorkKind } from '../../src/stages/slab/slab-workers.js'
import { MIN_MEMORY } from '../../src/options.js'
import { divideMemory, openEngine } from '../../src/workers/open-engine.js'
import { temporaryRepository } from '../helpers/temporary.js'

const MIB = 1024 * 1024
const oneCore = defaultThreads() === 0 ? 'on a single core there are no threads' : false

async function* chunksOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

test('slabs are given to those who wait in their order; who stops waiting loses none', async () => {
  const pool = new SlabPool(1)
  const first = await pool.take()
  const order: string[] = []
  const controller = new AbortController()
  const waiting = [
    pool.take().then((slab) => (order.push('a'), slab)),
    pool.take(controller.signal).then(
      () => order.push('never'),
      (error: SluiceError) => order.push(error.code),
    ),
    pool.take().then((slab) => (order.push('c'), slab)),
  ] as const
  controller.abort()
  await waiting[1]
  pool.give(first)
  pool.give(await waiting[0])
  assert.equal(await waiting[2], first)
  assert.deepEqual(order, ['SLUICE_CANCELLED', 'a', 'c'])
  assert.equal(pool.tryTake(), undefined)
  assert.equal(pool.slabOf(first.room.bytes.subarray(7)), first)
  assert.equal(pool.slabOf(Buffer.alloc(8)), undefined)
})

test('slabs do not overlap', () => {
  const pool = new SlabPool(3)
  const slabs = [1, 2, 3].map((fill) => {
    const slab = pool.tryTake()!
    slab.bytes.fill(fill)
    slab.hashes.fill(0x10 + fill)
    return slab
  })
  for (const [i, { bytes, hashes }] of slabs.entries()) {
    assert.ok(bytes.every((byte) => byte === i + 1))
    assert.ok(hashes.every((byte) => byte === 0x11 + i))
  }
  assert.equal(slabs[0].bytes.length + slabs[0].hashes.length, SLAB_FOOTPRINT)
  assert.equal(slabs[0].bytes.length, SLAB_HEADROOM + SLAB_BYTES)
  assert.equal(slabs[0].room.bytes.length, SLAB_BYTES)
})

test('chunks of any size and origin come out of slabs in their order', async () => {
  const pool = new SlabPool(3)
  const memory = slabMemory(pool, new StageMeter('decompress'), AbortSignal.timeout(10_000))
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a')
    yield Buffer.alloc(SLAB_BYTES, 'b')
    const own = await memory.take()
    own.bytes.fill('c', 0, 5)
    yield own.bytes.subarray(0, 5)
    memory.give(own)
    yield Buffer.alloc(2 * SLAB_BYTES + 1, 'd')
  }
  const lengths: number[] = []
  const hash = createHash('sha256')
  for await (const slab of fillSlabs(source(), pool)) {
    lengths.push(slab.length)
    hash.update(slab.filled)
    pool.give(slab)
  }
  assert.deepEqual(lengths, [SLAB_BYTES, 1, 5, SLAB_BYTES, SLAB_BYTES, 1])
  const expected = `a${'b'.repeat(SLAB_BYTES)}ccccc${'d'.repeat(2 * SLAB_BYTES + 1)}`
  assert.equal(hash.digest('hex'), createHash('sha256').update(expected).digest('hex'))
  assert.equal(freeSlabs(pool), 3)
})

function freeSlabs(pool: SlabPool): number {
  let free = 0
  while (pool.tryTake() !== undefined) free++
  return free
}

test('a slab is free when all who hold it have given it back', async () => {
  const pool = new SlabPool(1)
  const slab = await pool.take()
  pool.hold(slab)
  const next = pool.take()
  pool.give(slab)
  assert.equal(pool.tryTake(), undefined)
  pool.give(slab)
  assert.equal(await next, slab)
  assert.equal(pool.tryTake(), undefined)
  pool.give(slab)
  assert.equal(freeSlabs(pool), 1)
})

for (const threads of [0, 1]) {
  test(`a blob is digested in the slabs that it goes on in, and none is kept, ${threads} threads`, async (t) => {
    const repository = await temporaryRepository(t)
    const engine = openEngine(repository, { threads, maxMemory: MIN_MEMORY, layers: 1 })
    t.after(() => engine.close())
    const { slabs } = divideMemory(MIN_MEMORY, 1)
    const blob = Buffer.from(Array.from({ length: 2 * SLAB_BYTES + 77 }, (_, i) => (i * 31) % 251))
    const chunks = async function* () {
      for (let at = 0; at < blob.length; at += 65_536) yield blob.subarray(at, at + 65_536)
    }
    const signal = AbortSignal.timeout(120_000)
    for (const stopAfter of [1, 2, Infinity]) {
      const digest = blobSlabDigest(engine, 'sha256', signal)
      const seen: Buffer[] = []
      for await (const chunk of digest.through(chunks())) {
        assert.ok(engine.slabs.slabOf(chunk) !== undefined)
        seen.push(Buffer.from(chunk))
        if (seen.length === stopAfter) break
      }
      if (stopAfter === Infinity) {
        assert.deepEqual(Buffer.concat(seen), blob)
        assert.equal(await digest.end(), createHash('sha256').update(blob).digest('hex'))
      } else digest.abort()
      const free = await Promise.all(Array.from({ length: slabs }, () => engine.slabs.take(signal)))
      for (const slab of free) engine.slabs.give(slab)
    }
  })
}

test('who stops reading, or fails, keeps no slab', async () => {
  const pool = new SlabPool(2)
  for await (const slab of fillSlabs(chunksOf(Buffer.alloc(SLAB_BYTES), Buffer.alloc(9)), pool)) {
    pool.give(slab)
    break
  }
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(9)
    throw new Error('no more')
  }
  await assert.rejects(async () => {
    for await (const _ of fillSlabs(failing(), pool)) assert.fail('nothing was full')
  }, /no more/)
  assert.ok(pool.tryTake() !== undefined && pool.tryTake() !== undefined)
})

test('results are taken in order, none after a failure, and everything is released', async () => {
  const order = new InOrder()
  const seen: string[] = []
  const add = (name: string, ms: number, fails = false) =>
    order.add(
      sleep(ms).then(() => {
        if (fails) throw new Error(name)
        return name
      }),
      (result) => {
        seen.push(result)
        return Promise.resolve()
      },
      () => seen.push(`-${name}`),
    )
  add('slow', 30)
  add('fast', 1)
  add('bad', 5, true)
  add('late', 1)
  await assert.rejects(order.end(), /bad/)
  assert.deepEqual(seen, ['slow', '-slow', 'fast', '-fast', '-bad', '-late'])
  assert.throws(() => order.check(), /bad/)
})

test('memory is divided so that every layer gets on, and never exceeded', () => {
  for (const memory of [MIN_MEMORY, MIN_MEMORY + 1, 64 * MIB, 128 * MIB, 200 * MIB, 1024 * MIB]) {
    for (const wanted of [1, 2, 4, 16]) {
      const { layers, slabs } = divideMemory(memory, wanted)
      assert.ok(layers >= 1 && layers <= wanted)
      assert.ok(slabs > 4 * layers && slabs <= Math.max(12, 4 * layers + 2))
      assert.ok(slabs * SLAB_FOOTPRINT + layers * 24 * MIB <= memory, `${memory} ${wanted}`)
    }
  }
  assert.throws(() => divideMemory(MIN_MEMORY - 1, 1), { code: 'SLUICE_USAGE' })
})

test('numbers that are out of their ranges are refused', async (t) => {
  const repository = await temporaryRepository(t)
  const good = { threads: 1, maxMemory: MIN_MEMORY, layers: 1 }
  const wrong = {
    threads: [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
    layers: [0, 1.5, Number.NaN],
    maxMemory: [0, Number.NaN],
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => openEngine(repository, { ...good, [name]: value }),
        { code: 'SLUICE_USAGE' },
        `${name} ${value}`,
      )
    }
  }
})

for (const threads of [0, 2]) {
  test(`with ${threads} threads: objects, pieces and digests`, async (t) => {
    const repository = await temporaryRepository(t)
    const tasks = new Set<string>()
    const engine = openEngine(repository, {
      threads,
      maxMemory: MIN_MEMORY,
      layers: 1,
      onTask: (work, thread, start, end) => {
        assert.ok(end >= start && start > 0)
        tasks.add(`${work} ${thread.replace(/\d/, 'N')}`)
      },
    })
    t.after(() => engine.close())
    const { slabs, workers } = engine
    const slab = await slabs.take()
    const text = Buffer.alloc(10_000, 'some text')
    text.copy(slab.room.bytes)
    slab.length = text.length
    const digest = workers.digest('sha256')
    const [{ ids, stats }] = await Promise.all([
      workers.store(slab, { wholes: [SLAB_HEADROOM, 100, SLAB_HEADROOM + 100, 9900], pieces: [] }),
      digest.update(slab),
      digest.update(slab),
    ])
    assert.deepEqual(
      ids,
      [text.subarray(0, 100), text.subarray(100)].map((part) => verityDigest('sha256', part)),
    )
    assert.deepEqual(stats, { ...noObjects(), newObjects: 2, presentObjects: 0, storedBytes: 10_000 })
    assert.equal(await digest.digest(), createHash('sha256').update(text).update(text).digest('hex'))
    const again = await workers.store(slab, { wholes: [SLAB_HEADROOM, 100], pieces: [] })
    assert.deepEqual(again.stats, { ...noObjects(), newObjects: 0, presentObjects: 1, storedBytes: 0 })
    const where = threads === 0 ? 'main thread' : 'thread N'
    assert.deepEqual([...tasks].sort(), [`digest ${where}`, `object ${where}`])
  })

  test(`with ${threads} threads: who is told of tasks and fails, fails the task`, async (t) => {
    const onTask = (): never => {
      throw new Error('told too much')
    }
    const engine = openEngine(await temporaryRepository(t), { threads, maxMemory: MIN_MEMORY, layers: 1, onTask })
    t.after(() => engine.close())
    const slab = await engine.slabs.take()
    for (let i = 0; i < 2; i++) {
      await assert.rejects(engine.workers.store(slab, { wholes: [SLAB_HEADROOM, 10], pieces: [] }), /told too much/)
    }
  })

  test(`with ${threads} threads: a failure has its code, and the next task runs`, async (t) => {
    const repository = await temporaryRepository(t)
    const engine = openEngine(repository, { threads, maxMemory: MIN_MEMORY, layers: 1 })
    t.after(() => engine.close())
    const slab = await engine.slabs.take()
    const batch = { wholes: [SLAB_HEADROOM, 5000], pieces: [] }
    rmSync(repository.objects.directory, { recursive: true, force: true })
    writeFileSync(repository.objects.directory, 'in the way')
    await assert.rejects(engine.workers.store(slab, batch), { code: 'SLUICE_IO', message: /ENOTDIR/ })
    rmSync(repository.objects.directory)
    const { ids } = await engine.workers.store(slab, batch)
    assert.ok(existsSync(repository.objects.path(ids[0])))
    // Until it ends, a thread has a directory for what is not complete.
    const names = readdirSync(repository.objects.directory).filter((name) => !name.startsWith(TEMPORARY_PREFIX))
    assert.deepEqual(names, [ids[0].slice(0, 2)])
    await engine.close()
    assert.deepEqual(readdirSync(repository.objects.directory), names)
    assert.equal(existsSync(join(repository.path, 'objects')), true)
  })
}

for (const threads of [0, 2]) {
  test(`with ${threads} threads: they may start before there is work, and end without any`, async (t) => {
    for (const hasWork of [true, false]) {
      const engine = openEngine(await temporaryRepository(t), { threads, maxMemory: MIN_MEMORY, layers: 1 })
      engine.start()
      if (hasWork) {
        const slab = await engine.slabs.take()
        const { ids } = await engine.workers.store(slab, { wholes: [SLAB_HEADROOM, 10], pieces: [] })
        assert.equal(ids.length, 1)
      }
      await engine.close()
    }
  })
}

test('little work is done by the main thread, more by others', { skip: oneCore }, async (t) => {
  const repository = await temporaryRepository(t)
  for (const [work, expected] of [
    [16 * MIB, 'main thread'],
    [16 * MIB + 1, 'thread 1'],
    [undefined, 'thread 1'],
  ] as const) {
    const threads: string[] = []
    const onTask = (_task: WorkKind, thread: string) => threads.push(thread)
    const engine = openEngine(repository, {
      maxMemory: MIN_MEMORY,
      layers: 1,
      onTask,
      ...(work !== undefined && { work }),
    })
    await engine.workers.digest('sha256').digest()
    await engine.close()
    assert.deepEqual(threads, [expected])
  }
})

test('meters tell work from waiting, and every span lies in the run', async () => {
  const spans: Span[] = []
  const from = performance.now()
  const upstream = new StageMeter('fetch', 'layer', (span) => spans.push(span))
  const meter = new StageMeter('decompress', 'layer', (span) => spans.push(span))
  async function* slow(): AsyncGenerator<Uint8Array> {
    await sleep(20)
    yield Buffer.alloc(10)
  }
  async function* passing(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      await meter.blocked(sleep(30))
      yield chunk
    }
  }
  for await (const chunk of meter.through(passing(upstream.through(slow())), upstream)) assert.equal(chunk.length, 10)
  assert.deepEqual([meter.bytes, meter.items, upstream.bytes], [10, 1, 10])
  assert.ok(meter.starvedMs >= 15 && meter.blockedMs >= 25, JSON.stringify(meter))
  assert.ok(Math.abs(meter.elapsedMs - (meter.busyMs + meter.starvedMs + meter.blockedMs)) < 1e-6)
  assert.ok(upstream.busyMs >= 15 && upstream.starvedMs === 0)
  const to = performance.now()
  assert.ok(spans.every(({ startMs, endMs }) => startMs >= from && endMs <= to && endMs >= startMs))
  assert.deepEqual(new Set(spans.map(({ name }) => name)), new Set(['fetch', 'decompress', 'decompress blocked']))
})

test('a trace is JSON with a name for each track', () => {
  const trace = new ChromeTrace()
  const spans = ['a', 'b', 'a'].map((track, i) => ({ track, name: 'work', startMs: i, endMs: i + 0.5 }))
  const events = JSON.parse(`[${spans.map((span) => trace.encode(span)).join('')}]`) as Record<string, unknown>[]
  assert.deepEqual(
    events.filter(({ ph }) => ph === 'M').map(({ tid, args }) => [tid, args]),
    [
      [0, { name: 'a' }],
      [1, { name: 'b' }],
    ],
  )
  assert.deepEqual(
    events.filter(({ ph }) => ph === 'X').map(({ tid, ts, dur }) => [tid, ts, dur]),
    [
      [0, 0, 500],
      [1, 1000, 500],
      [0, 2000, 500],
    ],
  )
})
