/** The micro benches: every one runs, and what is measured has the right unit. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { microBenches } from '../../bench/micro/command.js'
import { measure } from '../../bench/micro/harness.js'
import { isalUsable } from '../../src/native/isal.js'
import { libzstdUsable } from '../../src/native/zstd.js'
import { temporaryDirectory } from '../helpers/temporary.js'

test('rates and times are of CPU time, with the rounds asked for', async () => {
  const calls: string[] = []
  const spin = () => {
    for (const start = process.cpuUsage(); process.cpuUsage(start).user < 2000;);
  }
  const result = await measure(
    {
      bytes: 1_000_000,
      items: 10,
      prepare: () => calls.push('prepare'),
      run: () => {
        spin()
        if (calls.at(-1) !== 'run') calls.push('run')
      },
      close: () => calls.push('close'),
    },
    { rounds: 2, roundMs: 4 },
  )
  assert.deepEqual(calls, ['prepare', 'run', 'prepare', 'run', 'prepare', 'run', 'close'])
  const { megabytesPerCpuSecond: rate, microsecondsPerItem: time } = result
  assert.ok(rate !== undefined && time !== undefined)
  // A run takes 2 ms at least: at most 500 MB/s, at least 200 µs for each of ten items.
  assert.ok(rate.max <= 500 && rate.min > 0, `${rate.max} MB/s`)
  assert.ok(time.min >= 200, `${time.min} µs`)
})

test('every micro bench runs, with the libraries that are here, and leaves nothing behind', async (t) => {
  const directory = temporaryDirectory(t)
  const missing: string[] = []
  for (const { name, open } of microBenches(directory, 256 * 1024)) {
    const bench = await open()
    if (bench === undefined) {
      missing.push(name)
      continue
    }
    assert.ok((bench.bytes ?? bench.items ?? 0) > 0, name)
    try {
      bench.prepare?.()
      await bench.run()
    } finally {
      bench.close?.()
    }
  }
  assert.deepEqual(missing, [
    ...(isalUsable() ? [] : ['gzip by libisal']),
    ...(libzstdUsable() ? [] : ['zstd by libzstd']),
  ])
  assert.ok(existsSync(directory))
  assert.deepEqual(readdirSync(directory), [])
})
