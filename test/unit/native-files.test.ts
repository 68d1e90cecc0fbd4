/** What the kernel does for files: fs-verity, reflink, syncfs, and the probe of a directory. */
import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { hostCapabilities, kernelIsAtLeast, probeDirectory } from '../../src/native/capabilities.js'
import { syncFileSystem, syncfsAvailable } from '../../src/native/durability.js'
import { libcAvailable } from '../../src/native/libc.js'
import { cloneFile } from '../../src/native/reflink.js'
import { enableVerity, measureVerity, parseMeasurement } from '../../src/native/verity.js'

const directory = mkdtempSync(join(tmpdir(), 'sluice-native-'))

const needsNative = { skip: !libcAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }
after(() => rmSync(directory, { recursive: true }))

function errnoIs(errno: string) {
  return (error: unknown) => error instanceof SluiceError && error.details['errno'] === errno
}

/** struct fsverity_digest as the kernel gives it back. */
function measured(algorithm: number, digest: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(algorithm, 0)
  head.writeUInt16LE(digest.length, 2)
  return Buffer.concat([head, digest, Buffer.alloc(64 - digest.length)])
}

test('a measurement decodes to algorithm and object id', () => {
  assert.deepEqual(parseMeasurement(measured(1, Buffer.alloc(32, 0xab))), { algorithm: 'sha256', id: 'ab'.repeat(32) })
  assert.deepEqual(parseMeasurement(measured(2, Buffer.alloc(64, 0xcd))), { algorithm: 'sha512', id: 'cd'.repeat(64) })
})

test('an algorithm or digest size of another kind is an error', () => {
  const unsupported = (error: unknown) => error instanceof SluiceError && error.code === 'SLUICE_UNSUPPORTED'
  assert.throws(() => parseMeasurement(measured(3, Buffer.alloc(32))), unsupported)
  assert.throws(() => parseMeasurement(measured(1, Buffer.alloc(64))), unsupported)
  assert.throws(() => parseMeasurement(measured(2, Buffer.alloc(32))), unsupported)
})

test('fs-verity where the file system has none', needsNative, () => {
  // procfs has no fs-verity on any kernel.
  const fd = openSync('/proc/self/status', 'r')
  assert.equal(enableVerity(fd, 'sha512'), 'not-supported')
  assert.equal(measureVerity(fd), 'not-supported')
  closeSync(fd)
})

test('fs-verity of a bad descriptor is an error', needsNative, () => {
  assert.throws(() => enableVerity(1_000_000, 'sha256'), errnoIs('EBADF'))
  assert.throws(() => measureVerity(1_000_000), errnoIs('EBADF'))
})

test('cloning across file systems is unsupported, a bad descriptor an error', needsNative, () => {
  const source = openSync('/proc/self/status', 'r')
  const target = openSync(join(directory, 'target'), 'w')
  assert.equal(cloneFile(source, target), 'unsupported')
  assert.throws(() => cloneFile(1_000_000, target), errnoIs('EBADF'))
  closeSync(source)
  closeSync(target)
})

test('syncfs writes out a file system, and reports a bad descriptor', needsNative, async () => {
  assert.ok(syncfsAvailable())
  writeFileSync(join(directory, 'file'), 'text')
  const fd = openSync(directory, 'r')
  await syncFileSystem(directory, fd)
  closeSync(fd)
  await assert.rejects(syncFileSystem(directory, 1_000_000), errnoIs('EBADF'))
})

test('without native code the sync program writes out the file system, and its failure is told', async (t) => {
  const before = process.env['SLUICE_NATIVE']
  process.env['SLUICE_NATIVE'] = 'off'
  t.after(() => {
    if (before === undefined) delete process.env['SLUICE_NATIVE']
    else process.env['SLUICE_NATIVE'] = before
  })
  await syncFileSystem(directory, -1)
  await assert.rejects(syncFileSystem(join(directory, 'missing'), -1), { code: 'SLUICE_NATIVE' })
})

test('probing a directory leaves nothing there', () => {
  const before = readdirSync(directory)
  const { verity, reflink } = probeDirectory(directory)
  assert.equal(typeof verity, 'boolean')
  assert.equal(typeof reflink, 'boolean')
  assert.deepEqual(readdirSync(directory), before)
})

test('probing a directory that is not there', () => {
  assert.throws(
    () => probeDirectory(join(directory, 'absent')),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_NOT_FOUND',
  )
})

test('a host that can lock has its kernel and native code named', needsNative, () => {
  const host = hostCapabilities()
  assert.equal(host.native, 'on')
  assert.ok(host.flock)
  assert.ok(host.syncfs)
  assert.match(host.kernel, /^\d+\.\d+/)
})

const ldconfig = '/sbin/ldconfig'

test(
  'libraries are found where the dynamic linker has them',
  { skip: needsNative.skip || (!existsSync(ldconfig) && `no ${ldconfig}`) },
  () => {
    const known = spawnSync(ldconfig, ['-p'], { encoding: 'utf8' }).stdout
    const { libraries } = hostCapabilities()
    for (const [name, file] of [
      ['libisal', 'libisal.so.2'],
      ['libzstd', 'libzstd.so.1'],
      ['liblzma', 'liblzma.so.5'],
    ] as const) {
      assert.equal(libraries[name], known.includes(file) ? file : undefined)
    }
  },
)

test('kernel releases compare by number', () => {
  assert.ok(kernelIsAtLeast('6.12.3-amd64', 6, 12))
  assert.ok(kernelIsAtLeast('7.0', 6, 12))
  assert.ok(kernelIsAtLeast('6.100', 6, 12))
  assert.ok(!kernelIsAtLeast('6.9.99', 6, 12))
  assert.ok(!kernelIsAtLeast('5.15', 6, 12))
  assert.ok(!kernelIsAtLeast('unknown', 1, 0))
})
