/** Objects appear whole, under the name of their content, and leave nothing else behind. */
import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Digest } from '../../src/formats/digest.js'
import { hashBlocks, verityDigest, VerityTree } from '../../src/formats/verity/digest.js'
import { ObjectStore } from '../../src/repository/objects.js'
import { VerityPolicy } from '../../src/repository/verity-policy.js'
import { openThreadObjects, threadObjects } from '../../src/workers/thread-objects.js'
import { temporaryRepository } from '../helpers/temporary.js'

/** Everything below `objects/`, directories without their names. */
function filesOf({ directory }: ObjectStore): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `${entry.parentPath.slice(-2)}${entry.name}`)
    .sort()
}

test('an object is stored once, whatever memory it comes from', async (t) => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const { objects } = await temporaryRepository(t, { algorithm })
    const slab = new Uint8Array(new SharedArrayBuffer(300_000)).map((_, i) => (i * i) % 251)
    const ids = [0, 1, 4095, 4096, 4097, 262_145].map((size) => {
      const data = slab.subarray(7, 7 + size)
      const id = verityDigest(algorithm, data)
      assert.deepEqual(objects.store(data), { id, size, isNew: true })
      assert.deepEqual(objects.store(Buffer.from(data)), { id, size, isNew: false })
      assert.deepEqual(readFileSync(objects.path(id)), Buffer.from(data))
      return id
    })
    assert.deepEqual(filesOf(objects), ids.sort())
  }
})

test('objects that are stored together are those stored one by one', async (t) => {
  const [one, all] = [await temporaryRepository(t), await temporaryRepository(t)]
  const slab = Buffer.from(new SharedArrayBuffer(1_000_000)).map((_, i) => (i * i) % 239)
  // More than one group of them, some of them twice.
  const contents = Array.from({ length: 300 }, (_, i) => slab.subarray(i % 270, (i % 270) * 38))
  const stored = contents.map((data) => one.objects.store(data))
  assert.ok(stored.some(({ isNew }) => !isNew))
  assert.deepEqual(all.objects.storeAll(contents), stored)
  assert.deepEqual(filesOf(all.objects), filesOf(one.objects))
  for (const [i, { id }] of stored.entries()) assert.deepEqual(readFileSync(all.objects.path(id)), contents[i])
  assert.deepEqual(all.objects.storeAll([]), [])
})

test('an object is written by several threads at places in any order', async (t) => {
  const { objects } = await temporaryRepository(t, { algorithm: 'sha512' })
  const memory = new SharedArrayBuffer(4096 * 200 + 17)
  const data = Buffer.from(memory)
  for (let i = 0; i < data.length; i++) data[i] = (i * 7) % 253
  const cuts = [0, 4096 * 3, 4096 * 67, 4096 * 150, data.length]
  const object = objects.begin()
  const write = `const { fs, workerData: { memory, fd, from, to } } = { fs: require('fs'), ...require('worker_threads') };
    fs.writeSync(fd, Buffer.from(memory), from, to - from, from)`
  await Promise.all(
    [3, 1, 2, 0].map(
      (i) =>
        new Promise<void>((resolve, reject) => {
          const workerData = { memory, fd: object.fd, from: cuts[i], to: cuts[i + 1] }
          new Worker(write, { eval: true, workerData }).on('error', reject).on('exit', () => resolve())
        }),
    ),
  )
  const tree = new VerityTree('sha512')
  for (let i = 0; i < 4; i++) {
    const piece = data.subarray(cuts[i], cuts[i + 1])
    tree.addLeaves(hashBlocks('sha512', piece), piece.length)
  }
  const id = tree.digest()
  assert.deepEqual(object.commit(id, tree.size), { id, size: data.length, isNew: true })
  assert.equal(id, verityDigest('sha512', data))
  assert.deepEqual(readFileSync(objects.path(id)), data)
  assert.deepEqual(filesOf(objects), [id])
})

test('an object that comes in pieces is the one that comes whole', async (t) => {
  const { objects } = await temporaryRepository(t)
  const data = Buffer.alloc(10_000, 'pieces')
  const { id } = objects.store(data)
  for (const isNew of [false, true]) {
    const writer = objects.begin()
    for (let at = 0; at < data.length; at += 999) writer.write(data.subarray(at, at + 999))
    if (isNew) rmSync(objects.path(id))
    assert.deepEqual(writer.commit(), { id, size: data.length, isNew })
    assert.deepEqual(filesOf(objects), [id])
  }
  const aborted = objects.begin()
  aborted.write(data)
  aborted.abort()
  assert.deepEqual(filesOf(objects), [id])
})

test('a file that has the content already is taken only if nothing was written to it meanwhile', async (t) => {
  const { objects } = await temporaryRepository(t)
  const data = Buffer.alloc(5000, 'content')
  const commit = (content: Buffer, isUnwritten: boolean) => {
    const { path, fd } = objects.temporaries.create(constants.O_WRONLY)
    writeSync(fd, content)
    closeSync(fd)
    const source = { path: 'source', isUnwritten: () => isUnwritten }
    const writer = objects.begin({ path, sharing: 'reflinked', source })
    writer.write(data)
    return writer.commit()
  }
  const mismatch = { code: 'SLUICE_DIGEST_MISMATCH', message: /source was written to/ }
  for (const content of [Buffer.alloc(5000, 'changed'), data.subarray(1), Buffer.concat([data, data])]) {
    assert.throws(() => commit(content, false), mismatch)
    assert.deepEqual(filesOf(objects), [])
  }
  // Also where only a time has changed.
  for (const isUnwritten of [true, false]) {
    const { id } = commit(data, isUnwritten)
    assert.deepEqual(filesOf(objects), [id])
    rmSync(objects.path(id))
  }
})

test('a failure to store leaves no temporary file', async (t) => {
  const { objects } = await temporaryRepository(t)
  const data = Buffer.from('content')
  const id = verityDigest('sha256', data)
  mkdirSync(objects.directory)
  // A file where the directory of the object should be.
  const directory = dirname(objects.path(id))
  writeFileSync(directory, '')
  assert.throws(() => objects.store(data), { code: 'SLUICE_IO' })
  const writer = objects.begin()
  writer.write(data)
  assert.throws(() => writer.commit(), { code: 'SLUICE_IO' })
  assert.deepEqual(readdirSync(objects.directory), [id.slice(0, 2)])
  rmSync(directory)
  assert.equal(objects.store(data).isNew, true)
})

test('a repository that was removed does not come back', async (t) => {
  const repository = await temporaryRepository(t)
  const { path, objects, streams, parts } = repository
  const ofThread = openThreadObjects(threadObjects(repository))
  const { id } = objects.store(Buffer.from('x'))
  rmSync(path, { recursive: true })
  const request = { digest: `sha256:${'0'.repeat(64)}` as Digest, size: 1, stream: 'x' }
  for (const write of [
    () => objects.store(Buffer.from('x')),
    () => ofThread.store(Buffer.from('x')),
    () => streams.link('x', id),
    () => streams.link('refs/oci/x', id),
  ]) {
    assert.throws(write, /ENOENT/)
    assert.equal(existsSync(path), false)
  }
  assert.throws(() => ofThread.begin(), /^SluiceError: cannot create a file in the repository: ENOENT/)
  // A lock that cannot be made is done without.
  assert.notEqual(parts.tryTake(request), undefined)
  assert.equal(existsSync(path), false)
})

test('what the kernel does not measure is no object of a secure repository', async (t) => {
  const { objects } = await temporaryRepository(t)
  const content = Buffer.from('without fs-verity')
  const id = verityDigest('sha256', content)
  mkdirSync(dirname(objects.path(id)), { recursive: true })
  writeFileSync(objects.path(id), content)
  assert.deepEqual(objects.read(id, content.length), content)
  const secure = new ObjectStore(objects.directory, 'sha256', new VerityPolicy('sha256', 'required'))
  const refused = { code: 'SLUICE_CORRUPT', message: /has no fs-verity in a secure repository/ }
  for (const use of [
    () => secure.open(id),
    () => secure.read(id, content.length),
    () => secure.has(id),
    () => secure.isStored(id),
  ]) {
    assert.throws(use, refused)
  }
})

test('an object is read up to the limit, to its last byte, or not at all', async (t) => {
  const { objects } = await temporaryRepository(t)
  const content = Buffer.from('content')
  const { id } = objects.store(content)
  assert.deepEqual(objects.read(id, content.length), content)
  assert.throws(() => objects.read(id, content.length - 1), { code: 'SLUICE_CORRUPT', message: /7 bytes, more than 6/ })
  rmSync(objects.path(id))
  assert.throws(() => objects.read(id, content.length), { code: 'SLUICE_CORRUPT', message: /is missing/ })
  mkdirSync(objects.path(id))
  assert.throws(() => objects.read(id, 2 ** 20), { code: 'SLUICE_IO', message: /EISDIR/ })
})

test('an object is made anew for who has found the stored one of no use', async (t) => {
  const { objects } = await temporaryRepository(t)
  const content = Buffer.from('content')
  const { id } = objects.store(content)
  writeFileSync(`${objects.path(id)}-damaged`, 'CONTENT')
  renameSync(`${objects.path(id)}-damaged`, objects.path(id))
  assert.equal(objects.store(content).isNew, false)
  assert.deepEqual(readFileSync(objects.path(id), 'latin1'), 'CONTENT')
  assert.equal(objects.replace(content), id)
  assert.deepEqual(readFileSync(objects.path(id)), content)
  assert.deepEqual(filesOf(objects), [id])
})
