import assert from 'node:assert/strict'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

const code = `
  const { getPriority } = require('node:os')
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData).then(({ yieldToMainThread }) => {
    const before = getPriority()
    for (let times = 0; times < 20; times++) yieldToMainThread()
    parentPort.postMessage([before, getPriority()])
  })`

test('a thread that yields has a lower priority than the main thread, as far as there is one', async () => {
  const ofMainThread = getPriority()
  const workerData = new URL('../../src/workers/yield-to-main-thread.js', import.meta.url).href
  const ofThread = await new Promise((resolve, reject) => {
    new Worker(code, { eval: true, workerData }).on('message', resolve).on('error', reject)
  })
  assert.deepEqual(ofThread, [ofMainThread, 19])
  assert.equal(getPriority(), ofMainThread)
})
