/** Calls into libc: values, errno names, their threads, and what happens without native code. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SluiceError, errnoOf } from '../../src/errors.js'
import { call, callAsync, callError, libcAvailable, tryCall } from '../../src/native/libc.js'

const libcUrl = new URL('../../src/native/libc.js', import.meta.url).href
const getpid = process.arch === 'arm64' ? 172 : 39

const needsNative = { skip: !libcAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

function nativeError(errno: string) {
  return (error: unknown) =>
    error instanceof SluiceError && error.code === 'SLUICE_NATIVE' && error.details['errno'] === errno
}

test('a call returns its value, a failing one the name of its errno', needsNative, () => {
  assert.ok(libcAvailable())
  assert.deepEqual(tryCall('syscall', getpid), { value: process.pid, errno: undefined })
  assert.deepEqual(tryCall('close', -1), { value: -1, errno: 'EBADF' })
  assert.throws(() => call('close', -1), nativeError('EBADF'))
})

test('each failure gives its own errno, however they are mixed', needsNative, () => {
  const fd = openSync(tmpdir(), 'r')
  for (let i = 0; i < 2000; i++) {
    assert.equal(tryCall('close', -1).errno, 'EBADF')
    assert.equal(tryCall('flock', fd, 0).errno, 'EINVAL')
    assert.equal(tryCall('flock', fd, 1 | 4).errno, undefined)
    assert.equal(tryCall('syscall', 100_000).errno, 'ENOSYS')
  }
  closeSync(fd)
})

test('text goes in as a C string, bytes as the memory itself', needsNative, () => {
  assert.equal(tryCall('umount2', '/no/such/place', 0).errno, 'ENOENT')
  const pipe = Buffer.alloc(8)
  const pipe2 = process.arch === 'arm64' ? 59 : 293
  assert.equal(call('syscall', pipe2, pipe, 0), 0)
  const [reader, writer] = [pipe.readInt32LE(0), pipe.readInt32LE(4)]
  assert.ok(reader > 2 && writer > reader)
  assert.equal(call('close', reader), 0)
  assert.equal(call('close', writer), 0)
  assert.throws(() => tryCall('umount2', 'a\0b', 0), SluiceError)
})

test('arguments of a wrong kind are refused before the call', needsNative, () => {
  assert.throws(() => tryCall('close', 1.5), TypeError)
  assert.throws(() => tryCall('close', Number.NaN), TypeError)
  assert.throws(() => tryCall('close', 'x'), TypeError)
  assert.throws(() => tryCall('flock', 1, Buffer.alloc(4)), TypeError)
  assert.throws(() => tryCall('close', 1, 2), TypeError)
})

test('a call on a pool thread has its own errno', needsNative, async () => {
  const fd = openSync(tmpdir(), 'r')
  const calls: [number, number, string][] = [
    [fd, 0, 'EINVAL'],
    [-1, 1 | 4, 'EBADF'],
    [fd, 1 | 4, ''],
  ]
  const results = Promise.allSettled(
    Array.from({ length: 60 }, (_, index) => {
      const [fd, operation] = calls[index % 3]
      return callAsync('flock', fd, operation)
    }),
  )
  for (let i = 0; i < 200; i++) tryCall('syscall', 100_000)
  ;(await results).forEach((result, index) => {
    const expected = calls[index % 3][2]
    if (expected === '') assert.equal(result.status, 'fulfilled', `call ${index}`)
    else assert.ok(result.status === 'rejected' && nativeError(expected)(result.reason), `call ${index}`)
  })
  closeSync(fd)
})

test('worker threads call at the same time, each with its own errno', needsNative, async () => {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(${JSON.stringify(libcUrl)}).then(({ tryCall }) => {
      const seen = new Set()
      for (let i = 0; i < 1000; i++) seen.add(tryCall(...workerData).errno)
      parentPort.postMessage([...seen])
    })`
  const calls: [unknown[], string][] = [
    [['close', -1], 'EBADF'],
    [['syscall', 100_000], 'ENOSYS'],
    [['umount2', '/no/such/place', 0], 'ENOENT'],
    [['flock', 0, 0], 'EINVAL'],
  ]
  await Promise.all(
    calls.map(async ([workerData, errno]) => {
      const worker = new Worker(source, { eval: true, workerData })
      const seen = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      assert.deepEqual(seen, [errno])
      await worker.terminate()
    }),
  )
})

test('errors of the disk keep their family, others are SLUICE_NATIVE with the errno', () => {
  assert.equal(callError('ioctl', 'ENOSPC').code, 'SLUICE_NO_SPACE')
  assert.equal(callError('ioctl', 'EROFS').code, 'SLUICE_READ_ONLY')
  assert.equal(callError('syncfs', 'EIO').code, 'SLUICE_IO')
  const limit = callError('openat2', 'EMFILE')
  assert.equal(limit.code, 'SLUICE_IO')
  assert.match(limit.hint ?? '', /ulimit -n/)
  const error = callError('ioctl', 'ENOTBLK', 'mounting', 'try again')
  assert.equal(error.code, 'SLUICE_NATIVE')
  assert.equal(error.message, 'mounting: ioctl: ENOTBLK')
  assert.equal(error.hint, 'try again')
  assert.deepEqual(error.details, { call: 'ioctl', errno: 'ENOTBLK' })
  assert.equal(errnoOf(error.cause), 'ENOTBLK')
})

const base = new URL('../../src/native/', import.meta.url).href

/** Runs a script on all native modules in a process of its own; returns what it printed as JSON. */
function inNewProcess(script: string, env: Record<string, string>): unknown {
  const names = ['libc', 'lock', 'durability', 'verity', 'reflink', 'mount', 'capabilities']
  const source = `
    import { createRequire } from 'node:module'
    const [${names.join(', ')}] = await Promise.all(${JSON.stringify(names)}.map((name) => import(${JSON.stringify(base)} + name + '.js')))
    const ffiLoaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('ffi-rs'))
    const codeOf = (body) => { try { body(); return 'nothing thrown' } catch (error) { return error.code } }
    ${script}`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    env: { ...process.env, SLUICE_NATIVE: '', ...env },
    cwd: new URL('../../..', import.meta.url),
    encoding: 'utf8',
  })
  assert.equal(run.status, 0, run.stderr)
  return JSON.parse(run.stdout)
}

test('importing loads no native code; the first call does', () => {
  const script = `
    const before = ffiLoaded()
    const available = libc.libcAvailable()
    console.log(JSON.stringify([before, available, ffiLoaded()]))`
  assert.deepEqual(inNewProcess(script, {}), [false, true, true])
})

test('threads have the libraries that the main thread has opened, and open none', needsNative, () => {
  const script = `
    const { Worker } = await import('node:worker_threads')
    const source = \`
      import { createRequire } from 'node:module'
      import { parentPort, workerData as isLoaded } from 'node:worker_threads'
      const base = ${JSON.stringify(base)}
      if (isLoaded) createRequire(base)('ffi-rs').open = () => { throw new Error('opened in a thread') }
      Promise.all([import(base + 'libc.js'), import(base + 'capabilities.js')]).then(([libc, { hostCapabilities }]) =>
        parentPort.postMessage([libc.libcAvailable(), hostCapabilities().libraries]))\`
    const inThread = (workerData) => new Promise((resolve, reject) =>
      new Worker(source, { eval: true, workerData }).on('message', resolve).on('error', reject))
    const [[before], [afterwards, libraries]] = [await inThread(false), (libc.libcAvailable(), await inThread(true))]
    console.log(JSON.stringify({ before, afterwards, libraries, here: capabilities.hostCapabilities().libraries }))`
  const { here, ...rest } = inNewProcess(script, {}) as Record<string, unknown>
  assert.deepEqual(rest, { before: false, afterwards: true, libraries: here })
})

// ffi-rs keeps what it has looked up in tables that it does not lock.
test('functions are looked up when native code is loaded, and by no thread afterwards', needsNative, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-lookups-'))
  try {
    const script = `
      const { Worker } = await import('node:worker_threads')
      const { readFileSync } = await import('node:fs')
      const log = () => readFileSync(process.env.LD_DEBUG_OUTPUT + '.' + process.pid, 'latin1')
      const codecs = /symbol=((?:isal|ZSTD|imb|init_mb|get_next_burst|flush_burst)_\\w+);/g
      const lookups = (text) => [...new Set([...text.matchAll(codecs)].map(([, name]) => name))]
      libc.libcAvailable()
      const loaded = log()
      const source = \`
        import { parentPort } from 'node:worker_threads'
        const { isalUsable } = await import('${base}isal.js')
        const { libzstdUsable } = await import('${base}zstd.js')
        const { hashTogether } = await import('${base}multi-hash.js')
        hashTogether('sha256', Array.from({ length: 20 }, () => Buffer.alloc(4096, 'x')))
        parentPort.postMessage([isalUsable(), libzstdUsable()])\`
      const used = await new Promise((resolve, reject) =>
        new Worker(new URL('data:text/javascript,' + encodeURIComponent(source))).on('message', resolve).on('error', reject))
      const added = log().slice(loaded.length)
      console.log(JSON.stringify({ used, first: lookups(loaded), added: lookups(added) }))`
    const environment = { LD_DEBUG: 'symbols', LD_DEBUG_OUTPUT: join(directory, 'log') }
    const answer = inNewProcess(script, environment) as { used: boolean[]; first: string[]; added: string[] }
    assert.deepEqual(answer.used, [true, true])
    assert.ok(answer.first.includes('isal_inflate'))
    assert.deepEqual(answer.added, [])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('SLUICE_NATIVE=off: nothing is loaded, everything reports absent, what has no fallback refuses', () => {
  const script = `
    const { openSync } = await import('node:fs')
    const fd = openSync('.', 'r')
    console.log(JSON.stringify({
      host: capabilities.hostCapabilities(),
      here: capabilities.probeDirectory((await import('node:os')).tmpdir()),
      enable: verity.enableVerity(fd, 'sha256'),
      measure: verity.measureVerity(fd),
      clone: reflink.cloneFile(fd, fd),
      lock: codeOf(() => lock.tryLock(fd, 'shared')),
      sync: await durability.syncFileSystem('.', fd).then(() => 'by the sync program'),
      mount: codeOf(() => mount.mountComposefs({ image: 'x', objectsDir: 'x', target: '.', verity: 'off' })),
      ffiLoaded: ffiLoaded(),
    }))`
  const answer = inNewProcess(script, { SLUICE_NATIVE: 'off' }) as { host: Record<string, unknown> }
  const { host, ...rest } = answer
  assert.deepEqual(rest, {
    here: { verity: false, reflink: false },
    enable: 'not-supported',
    measure: 'unavailable',
    clone: 'unsupported',
    lock: 'SLUICE_NATIVE',
    sync: 'by the sync program',
    mount: 'SLUICE_NATIVE',
    ffiLoaded: false,
  })
  assert.equal(host['native'], 'off')
  assert.equal(host['flock'], false)
  assert.equal(host['syncfs'], false)
  assert.deepEqual(host['libraries'], {})
})
