import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isTuned } from '../../src/cli/tune-v8.js'

const MIB = 1024 * 1024

/** What a program that makes many objects has for new ones in the end, in bytes, and its stderr. */
function youngSpace(isBound: boolean): { bytes: number; stderr: string } {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { setTimeout } from 'node:timers/promises'
    import { Worker } from 'node:worker_threads'
    import { tuneV8 } from ${JSON.stringify(new URL('../../src/cli/tune-v8.js', import.meta.url).href)}
    if (${isBound}) tuneV8()
    new Worker('', { eval: true })
    const kept = []
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 20_000; i++) kept.push({ turn, i })
      await setTimeout(5)
    }
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size)`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return { bytes: Number(stdout), stderr }
}

const skip = isTuned ? false : `no flags are set on Node ${process.versions.node}`

test('the space for new objects is bounded', { skip }, () => {
  assert.ok(youngSpace(false).bytes > 16 * MIB, 'this program needs a bound')
  const { bytes, stderr } = youngSpace(true)
  assert.ok(bytes <= 16 * MIB, `${bytes} bytes`)
  assert.equal(stderr, '', 'V8 knows the flags')
})
