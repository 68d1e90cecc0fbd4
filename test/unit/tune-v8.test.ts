import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isTuned } from '../../src/cli/tune-v8.js'

const MIB = 1024 * 1024

const tuning = `import { tuneV8 } from ${JSON.stringify(new URL('../../src/cli/tune-v8.js', import.meta.url).href)}`

/** What a program, a module, prints, and its stderr. */
function run(program: string): { stdout: string; stderr: string } {
  const args = ['--input-type=module', '-e', program]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return { stdout, stderr }
}

/** What a program that makes many objects has for new ones in the end, in bytes, and its stderr. */
function youngSpace(isBound: boolean): { bytes: number; stderr: string } {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { setTimeout } from 'node:timers/promises'
    import { Worker } from 'node:worker_threads'
    ${tuning}
    if (${isBound}) tuneV8()
    new Worker('', { eval: true })
    const kept = []
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 20_000; i++) kept.push({ turn, i })
      await setTimeout(5)
    }
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size)`
  const { stdout, stderr } = run(program)
  return { bytes: Number(stdout), stderr }
}

const skip = isTuned ? false : `no flags are set on Node ${process.versions.node}`

test('the space for new objects is bounded', { skip }, () => {
  assert.ok(youngSpace(false).bytes > 16 * MIB, 'this program needs a bound')
  const { bytes, stderr } = youngSpace(true)
  assert.ok(bytes <= 16 * MIB, `${bytes} bytes`)
  assert.equal(stderr, '', 'V8 knows the flags')
})

test('while threads start, V8 takes code from caches', { skip }, () => {
  const { stdout } = run(`
    import { once } from 'node:events'
    import { setImmediate } from 'node:timers/promises'
    import { Script } from 'node:vm'
    import { Worker } from 'node:worker_threads'
    ${tuning}
    const sources = ['first', 'second'].map((name) => 'function ' + name + '() {}')
    const caches = sources.map((source) => new Script(source).createCachedData())
    tuneV8()
    await setImmediate()
    await setImmediate()
    const started = new Worker(\`
      import { Script } from 'node:vm'
      import { parentPort, workerData } from 'node:worker_threads'
      const { sources, caches } = workerData
      const answer = (i) => parentPort.postMessage(new Script(sources[i], { cachedData: Buffer.from(caches[i]) }).cachedDataRejected)
      answer(0)
      parentPort.once('message', () => answer(1))
    \`, { eval: true, workerData: { sources, caches } })
    const failed = new Worker('throw new Error()', { eval: true })
    failed.on('error', () => undefined)
    const end = new Promise((resolve) => failed.on('exit', resolve))
    const [whileStarting] = await once(started, 'message')
    await end
    started.postMessage('go on')
    const [afterwards] = await once(started, 'message')
    console.log(JSON.stringify({ whileStarting, afterwards }))`)
  assert.deepEqual(JSON.parse(stdout), { whileStarting: false, afterwards: true })
})
