import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { inTurn, inTurnAsync } from '../../src/native/thread-turns.js'

const module = new URL('../../src/native/thread-turns.js', import.meta.url).href

/** Takes `turns` turns in a thread, and counts those in which somebody else had one too. */
const source = `
  const { workerData: { turns, shared }, parentPort } = require('node:worker_threads')
  import(${JSON.stringify(module)}).then(({ inTurn }) => {
    for (let i = 0; i < turns; i++) {
      inTurn(() => {
        if (Atomics.add(shared, 0, 1) !== 0) Atomics.add(shared, 1, 1)
        for (let spin = 0; spin < 500; spin++) Atomics.load(shared, 1)
        Atomics.sub(shared, 0, 1)
        Atomics.add(shared, 2, 1)
      })
    }
    parentPort.postMessage('done')
  })`

test('no two threads have their turn at once, and all get theirs', async () => {
  const shared = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT))
  inTurn(() => undefined)
  const turns = 300
  const threads = [1, 2, 3].map(
    () =>
      new Promise((resolve, reject) =>
        new Worker(source, { eval: true, workerData: { turns, shared } }).on('message', resolve).on('error', reject),
      ),
  )
  for (let i = 0; i < 20; i++) {
    await inTurnAsync(async () => {
      if (Atomics.add(shared, 0, 1) !== 0) Atomics.add(shared, 1, 1)
      await new Promise((resolve) => setImmediate(resolve))
      Atomics.sub(shared, 0, 1)
    })
  }
  await Promise.all(threads)
  assert.deepEqual([...shared], [0, 0, 3 * turns])
})

test('a turn that fails is over', async () => {
  assert.throws(() => inTurn(() => assert.fail('in turn')), /in turn/)
  await assert.rejects(
    inTurnAsync(() => Promise.reject(new Error('in turn'))),
    /in turn/,
  )
  assert.equal(
    inTurn(() => 'next'),
    'next',
  )
})
