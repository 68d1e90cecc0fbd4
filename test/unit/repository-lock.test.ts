/** Who waits for whom: operations and exclusive work of one handle, of several, and what closing does meanwhile. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, openSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SluiceError } from '../../src/errors.js'
import { objectPath } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { tryLock } from '../../src/native/lock.js'
import { streamContent } from '../../src/pipelines/images.js'
import { describeLayer, layerEntries, layerTar } from '../../src/pipelines/oci-layers.js'
import { imageId } from '../../src/pipelines/oci-tree.js'
import { ostreeImageId } from '../../src/pipelines/ostree-tree.js'
import { closeQuietly } from '../../src/repository/close-quietly.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { sha256, storeDocument } from '../helpers/stored-graph.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { until } from '../helpers/until.js'

/** Whether somebody else could collect garbage now. */
function isFree(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    return tryLock(descriptor, 'exclusive')
  } finally {
    closeQuietly(descriptor)
  }
}

/** Work that goes on until it is told to end, and what has happened so far. */
function stage() {
  const log: string[] = []
  const work = (name: string) => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    const run = async () => {
      log.push(`${name} begins`)
      await ended
      log.push(`${name} ends`)
    }
    return { run, end: () => end() }
  }
  return { log, work }
}

/** Long enough for a lock that is free to be taken. */
const soon = () => sleep(250)

test('exclusive work waits for the operations of its own handle, and they for it', async (t) => {
  const repository = await temporaryRepository(t)
  const { log, work } = stage()
  const [pull, collection, check] = [work('pull'), work('collection'), work('check')]
  const pulled = repository.during(pull.run)
  await until(() => log.length === 1)
  const collected = repository.exclusively(collection.run)
  await soon()
  assert.deepEqual(log, ['pull begins'])
  pull.end()
  await pulled
  await until(() => log.length === 3)
  const checked = repository.during(check.run)
  await soon()
  assert.deepEqual(log, ['pull begins', 'pull ends', 'collection begins'])
  collection.end()
  check.end()
  await Promise.all([collected, checked])
  assert.deepEqual(log.slice(3), ['collection ends', 'check begins', 'check ends'])
})

test('exclusive work of one handle is done one after the other, after a failure, too', async (t) => {
  const repository = await temporaryRepository(t)
  const { log, work } = stage()
  const [first, second] = [work('first'), work('second')]
  const failing = repository.exclusively(async () => {
    await first.run()
    throw new Error('no')
  })
  const following = repository.exclusively(second.run)
  await until(() => log.length === 1)
  await soon()
  assert.deepEqual(log, ['first begins'])
  first.end()
  second.end()
  await assert.rejects(failing, /no/)
  await following
  assert.deepEqual(log, ['first begins', 'first ends', 'second begins', 'second ends'])
  assert.ok(!isFree(repository.path), 'the handle has its lock again')
})

test('a wait for the exclusive lock that is broken off leaves the handle its lock, and is told', async (t) => {
  const repository = await temporaryRepository(t)
  const waits: string[] = []
  const other = await Repository.open(repository.path, { insecure: true, onWait: (wanted) => waits.push(wanted) })
  t.after(() => other.close())
  const abort = new AbortController()
  const waiting = other.exclusively(() => assert.fail('it is held'), abort.signal)
  await until(() => waits.length === 1)
  abort.abort()
  await assert.rejects(waiting, { code: 'SLUICE_CANCELLED' })
  assert.deepEqual(waits, ['exclusive'])
  repository.close()
  assert.ok(!isFree(other.path))
})

test('closing waits for what is under way, and lets nothing begin', async (t) => {
  const repository = await temporaryRepository(t)
  const { work } = stage()
  const pull = work('pull')
  const pulled = repository.during(pull.run)
  await soon()
  repository.close()
  assert.ok(!isFree(repository.path))
  await assert.rejects(repository.during(pull.run), { code: 'SLUICE_USAGE' })
  await assert.rejects(repository.exclusively(pull.run), { code: 'SLUICE_USAGE' })
  assert.throws(() => repository.ensureWritable(), { code: 'SLUICE_USAGE' })
  pull.end()
  await pulled
  assert.ok(isFree(repository.path))
})

async function insecureRepository(path: string): Promise<string> {
  await initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true })
  return path
}

async function twoRepositories(t: TestContext): Promise<{ folder: string; first: string; second: string }> {
  const folder = temporaryDirectory(t)
  return {
    folder,
    first: await insecureRepository(join(folder, 'first')),
    second: await insecureRepository(join(folder, 'second')),
  }
}

test('a repository stays the one that was opened, wherever a link leads later', async (t) => {
  const { folder, first, second } = await twoRepositories(t)
  const link = join(folder, 'current')
  symlinkSync('first', link)
  const repository = await Repository.open(link, { insecure: true })
  t.after(() => repository.close())
  unlinkSync(link)
  symlinkSync('second', link)
  const { id } = repository.objects.store(Buffer.from('an object'))
  assert.equal(repository.path, first)
  const other = await Repository.open(second, { insecure: true })
  t.after(() => other.close())
  assert.throws(() => other.objects.open(id))
})

test('nothing is done where another directory has taken the place of the one that is locked', async (t) => {
  const { folder, first, second } = await twoRepositories(t)
  const repository = await Repository.open(first, { insecure: true })
  t.after(() => repository.close())
  renameSync(first, join(folder, 'moved'))
  const never = () => assert.fail('it is not there')
  await assert.rejects(repository.exclusively(never), { code: 'SLUICE_REPOSITORY' })
  renameSync(second, first)
  await assert.rejects(repository.exclusively(never), { code: 'SLUICE_REPOSITORY' })
  await assert.rejects(repository.during(never), { code: 'SLUICE_REPOSITORY' })
})

test('a repository below a directory whose name is not UTF-8 can be used', async (t) => {
  const folder = temporaryDirectory(t)
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])])
  mkdirSync(odd)
  symlinkSync(odd, join(folder, 'link'))
  const repository = await Repository.open(await insecureRepository(join(folder, 'link', 'repo')), { insecure: true })
  t.after(() => repository.close())
  const { id } = await repository.during(() => repository.objects.store(Buffer.from('an object')))
  assert.ok(existsSync(Buffer.concat([odd, Buffer.from(`/repo/objects/${objectPath(id)}`)])))
})

test('what is read piece by piece keeps collections away until it is read, or left', async (t) => {
  const repository = await temporaryRepository(t)
  const content = Buffer.alloc(3_000_000, 'x')
  const { stream } = await storeDocument(repository, contentType.blob, content)
  await repository.nameStream('blob', stream)
  repository.close()
  for (const isLeft of [false, true]) {
    const reader = await Repository.open(repository.path, { insecure: true })
    let size = 0
    for await (const piece of streamContent(reader, 'blob')) {
      if (size === 0) reader.close()
      size += piece.length
      assert.ok(!isFree(reader.path))
      if (isLeft) break
    }
    assert.equal(size === content.length, !isLeft)
    await soon()
    assert.ok(isFree(reader.path))
  }
})

test('reading waits for the collection of its own handle', async (t) => {
  const repository = await temporaryRepository(t)
  const { log, work } = stage()
  const collection = work('collection')
  const collected = repository.exclusively(collection.run)
  await soon()
  const layer = sha256(Buffer.of())
  const reads = [
    streamContent(repository, 'none').next(),
    layerTar(repository, layer).next(),
    layerEntries(repository, layer).next(),
    describeLayer(repository, layer),
    imageId(repository, 'none', { xattrs: 'allowlist-only', parity: false }),
    ostreeImageId(repository, 'none', { parity: false }),
  ].map((read) => read.catch(({ code }: SluiceError) => log.push(code)))
  await soon()
  assert.deepEqual(log, ['collection begins'])
  collection.end()
  await Promise.all([collected, ...reads])
  assert.deepEqual(log, ['collection begins', 'collection ends', ...reads.map(() => 'SLUICE_NOT_FOUND')])
})
