/** The macro bench: what it reads from the kernel, how it measures a command, which scenarios come out of its options. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseChildTimes } from '../../bench/run/child-times.js'
import { parseList } from '../../bench/run/command.js'
import { allocatedBytes } from '../../bench/run/disk-usage.js'
import { mountsBelow } from '../../bench/run/file-systems.js'
import { measureCommand } from '../../bench/run/measure.js'
import { PeakWatch, statusNumber } from '../../bench/run/peak-watch.js'
import { scenarioName, scenariosOf } from '../../bench/scenarios.js'
import type { SluiceError } from '../../src/errors.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const MIB = 1024 ** 2
/** Holds 80 MiB, and computes for at least 0.2 s of CPU time. */
const program = `
  const held = Buffer.alloc(${80 * MIB}, 1)
  while (process.cpuUsage().user < 2e5) held[0]++
  console.log('done')
`

describe('figures of the kernel', () => {
  test('CPU time of children stands behind a name that may hold anything', () => {
    const stat = '4711 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 1100 2200 350 45 20 0 1 0 99 1000 10'
    assert.deepEqual(parseChildTimes(stat), { userSeconds: 3.5, systemSeconds: 0.45 })
  })

  test('a figure of /proc/PID/status', () => {
    const status = 'Name:\tnode\nPPid:\t12\nVmPeak:\t 999 kB\nVmHWM:\t   5120 kB\n'
    assert.equal(statusNumber(status, 'VmHWM'), 5120)
    assert.equal(statusNumber(status, 'PPid'), 12)
    assert.equal(statusNumber(status, 'VmSwap'), 0)
  })

  test('mounts in a folder, the innermost first', () => {
    const mounts = [
      '/dev/a /w ext4 rw 0 0',
      '/dev/b /w/a\\040b xfs rw 0 0',
      'x /w/a\\040b/c tmpfs rw 0 0',
      'x /wide tmpfs rw 0 0',
    ]
    assert.deepEqual(mountsBelow('/w', mounts.join('\n')), ['/w/a b/c', '/w/a b'])
  })
})

test('allocated bytes count a file with two names once', (t) => {
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'in/file'), Buffer.alloc(MIB, 7))
  const once = allocatedBytes(folder)
  assert.ok(once >= MIB && once < MIB + 100_000, `${once}`)
  linkSync(join(folder, 'in/file'), join(folder, 'in/other'))
  assert.ok(allocatedBytes(folder) < once + 100_000)
})

describe('measuring a command', () => {
  test('CPU time and memory are those of the command, through a shell too', async () => {
    const run = await measureCommand(['sh', '-c', '"$0" -e "$1"; true', process.execPath, program])
    assert.equal(run.stdout, 'done\n')
    assert.ok(run.userSeconds >= 0.15 && run.userSeconds < 60, `${run.userSeconds} s`)
    assert.ok(run.wallSeconds > 0)
    assert.ok(run.peakRssBytes > 80 * MIB && run.peakRssBytes < 400 * MIB, `${run.peakRssBytes}`)
  })

  test('a command that fails is an error with what it said', async () => {
    await assert.rejects(
      measureCommand(['sh', '-c', 'echo gone wrong >&2; exit 3']),
      (error: SluiceError) => error.code === 'SLUICE_FAILED' && error.message.endsWith('status 3\ngone wrong'),
    )
  })

  test('the signal ends all that the command started', async () => {
    const controller = new AbortController()
    const running = measureCommand(['sh', '-c', 'sleep 600 & wait'], { signal: controller.signal })
    setTimeout(() => controller.abort(), 50)
    // The output stays open as long as one of them runs.
    await assert.rejects(running, { code: 'SLUICE_CANCELLED' })
  })

  test('without time(1), the peak of a process below is seen', async () => {
    const child = spawn('sh', ['-c', '"$0" -e "$1"; true', process.execPath, program], { stdio: 'ignore' })
    const watch = new PeakWatch(child.pid!)
    await once(child, 'exit')
    const peak = watch.stop()
    assert.ok(peak > 80 * MIB && peak < 400 * MIB, `${peak}`)
  })
})

describe('scenarios', () => {
  const one = {
    corpora: ['os'],
    sources: ['layout'],
    algorithms: ['sha512'],
    fileSystems: ['tmpfs'],
    cores: [2],
  } as const

  test('are all combinations, those of a file system beside each other', () => {
    const lists = { ...one, corpora: ['os', 'node'], fileSystems: ['tmpfs', 'xfs'], cores: [1, 2] } as const
    const scenarios = scenariosOf(lists)
    assert.equal(new Set(scenarios.map(scenarioName)).size, 8)
    assert.deepEqual(
      scenarios.map(({ fileSystem }) => fileSystem),
      [...Array<string>(4).fill('tmpfs'), ...Array<string>(4).fill('xfs')],
    )
  })

  test('have names for people', () => {
    assert.deepEqual(scenariosOf({ ...one, cores: [1] }).map(scenarioName), ['os, layout, tmpfs, sha512, 1 core'])
  })

  test('a list names each thing once, and nothing unknown', () => {
    assert.deepEqual(parseList('b, a,b', ['a', 'b', 'c']), ['b', 'a'])
    assert.throws(() => parseList('a,x', ['a', 'b']), /"x" is none of a, b/)
  })
})
