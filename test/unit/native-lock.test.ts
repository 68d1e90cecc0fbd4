/** flock: who excludes whom, waiting, cancelling. */
import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import { libcAvailable } from '../../src/native/libc.js'
import { lock, lockingAvailable, tryLock, unlock } from '../../src/native/lock.js'

const directory = mkdtempSync(join(tmpdir(), 'sluice-lock-'))

const needsNative = { skip: !libcAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }
const opened: number[] = []
after(() => {
  opened.forEach((fd) => closeSync(fd))
  rmSync(directory, { recursive: true })
})

/** A descriptor of its own for the directory: flock excludes open files, not processes. */
function open(): number {
  const fd = openSync(directory, 'r')
  opened.push(fd)
  return fd
}

test('shared locks go together, an exclusive one is alone', needsNative, () => {
  assert.ok(lockingAvailable())
  const [a, b, c] = [open(), open(), open()]
  assert.equal(tryLock(a, 'shared'), true)
  assert.equal(tryLock(b, 'shared'), true)
  assert.equal(tryLock(c, 'exclusive'), false)
  unlock(a)
  assert.equal(tryLock(c, 'exclusive'), false)
  unlock(b)
  assert.equal(tryLock(c, 'exclusive'), true)
  assert.equal(tryLock(a, 'shared'), false)
  unlock(c)
  assert.equal(tryLock(a, 'shared'), true)
  unlock(a)
})

test('a refused change of mode gives up the lock that was held', needsNative, () => {
  const [a, b, c] = [open(), open(), open()]
  assert.equal(tryLock(a, 'shared'), true)
  assert.equal(tryLock(b, 'shared'), true)
  assert.equal(tryLock(a, 'exclusive'), false)
  unlock(b)
  assert.equal(tryLock(c, 'exclusive'), true, 'a must not hold its shared lock any more')
  unlock(c)
})

test('waits until the holder unlocks, tells so once, and keeps the event loop running', needsNative, async () => {
  const [a, b] = [open(), open()]
  assert.ok(tryLock(a, 'exclusive'))
  let told = 0
  let held = false
  const waiting = lock(b, 'shared', { onWait: () => told++ }).then(() => (held = true))
  await sleep(60)
  assert.equal(held, false)
  assert.equal(told, 1)
  unlock(a)
  await waiting
  assert.equal(tryLock(a, 'exclusive'), false)
  unlock(b)
})

test('a free lock is taken at once, without telling', needsNative, async () => {
  const a = open()
  await lock(a, 'exclusive', { onWait: () => assert.fail('nobody holds it') })
  unlock(a)
})

test('cancelling ends the wait without the lock', needsNative, async () => {
  const [a, b] = [open(), open()]
  assert.ok(tryLock(a, 'exclusive'))
  const controller = new AbortController()
  const waiting = lock(b, 'exclusive', { signal: controller.signal })
  setTimeout(() => controller.abort(), 20)
  const cancelled = (error: unknown) => error instanceof SluiceError && error.code === 'SLUICE_CANCELLED'
  await assert.rejects(waiting, cancelled)
  unlock(a)
  assert.ok(tryLock(a, 'exclusive'), 'the cancelled one must not hold it')
  await assert.rejects(lock(b, 'exclusive', { signal: controller.signal }), cancelled)
  unlock(a)
})

test('a bad descriptor is an error, not an endless wait', needsNative, async () => {
  await assert.rejects(
    lock(1_000_000, 'shared'),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_NATIVE' && error.details['errno'] === 'EBADF',
  )
})

test('excludes other processes, and their death frees the lock', needsNative, async () => {
  const source = `
    import { openSync } from 'node:fs'
    import { tryLock } from ${JSON.stringify(new URL('../../src/native/lock.js', import.meta.url).href)}
    console.log(tryLock(openSync(${JSON.stringify(directory)}, 'r'), 'exclusive'))
    setTimeout(() => {}, 60_000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  assert.equal(said.toString(), 'true\n')
  const a = open()
  assert.equal(tryLock(a, 'shared'), false)
  child.kill('SIGKILL')
  await lock(a, 'shared', { signal: AbortSignal.timeout(10_000) })
  unlock(a)
})
