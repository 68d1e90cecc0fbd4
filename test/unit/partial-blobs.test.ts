/** Parts of blobs: what is written when, who may write, what gc takes away. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { PARTS_DIRECTORY, partPaths } from '../../src/repository/parts/part-files.js'
import { PartStore, type PartRequest } from '../../src/repository/parts/part-store.js'
import { RESUME_WINDOW, SMALLEST_PART } from '../../src/repository/parts/part.js'
import { partNames, plantPart } from '../helpers/parts.js'
import { readAll } from '../helpers/registry-client.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest
const requestFor = (n: number, size: number): PartRequest => ({ digest: digestOf(n), size })
const sizeOnDisk = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

test('no more than the window is unwritten, however many blobs arrive in whatever pieces', async (t) => {
  const root = temporaryDirectory(t)
  const store = new PartStore(root, 'sha256')
  const blobs = Array.from({ length: 16 }, (_, n) => {
    const size = n % 2 === 0 ? SMALLEST_PART - 1 : 3 * SMALLEST_PART
    return { taken: store.tryTake(requestFor(n, size))!, paths: partPaths(root, digestOf(n)), size, received: 0 }
  })
  const random = randomBytes(4000)
  for (let i = 0; i < 4000; i++) {
    const blob = blobs[random[i] % 16]
    const bytes = Buffer.alloc(Math.min(1 + ((random[(i + 1) % 4000] * 259) % 65_536), blob.size - blob.received), i)
    if (bytes.length === 0) continue
    blob.received += bytes.length
    await blob.taken.part.append(bytes)
    if (i % 16 > 0) continue
    const unwritten = blobs.reduce((sum, { received, paths }) => sum + received - sizeOnDisk(paths.data), 0)
    assert.ok(unwritten <= RESUME_WINDOW, String(unwritten))
  }
  assert.ok(blobs.reduce((sum, { received }) => sum + received, 0) > 2 * RESUME_WINDOW)
  for (const { taken } of blobs) {
    taken.part.drop()
    taken.release()
  }
  assert.deepEqual(readdirSync(root), [])
})

test('what was kept is read again and gone on with; a sealed part has no bytes any more', async (t) => {
  const root = temporaryDirectory(t)
  const bytes = randomBytes(2_500_000)
  const request = requestFor(1, bytes.length)
  const paths = partPaths(root, request.digest)
  const open = () => new PartStore(root, 'sha256').tryTake(request)!
  let at = 0
  for (const end of [1_000_001, 1_000_001, 2_000_000]) {
    const { part, release } = open()
    assert.equal(part.length, at)
    assert.ok((await readAll(part.read())).equals(bytes.subarray(0, at)))
    for (; at < end; at += Math.min(100_000, end - at)) {
      await part.append(bytes.subarray(at, Math.min(at + 100_000, end)))
    }
    await part.keep()
    release()
    assert.ok(readFileSync(paths.data).equals(bytes.subarray(0, end)))
  }
  const { part, release } = open()
  const object = 'ab'.repeat(32) as ObjectId
  await part.seal('stream-1', object)
  release()
  assert.deepEqual([existsSync(paths.data), existsSync(paths.lock)], [false, false])
  const last = open()
  assert.deepEqual(last.part.sealed, { stream: 'stream-1', object })
  last.part.drop()
  last.release()
  assert.deepEqual(readdirSync(root), [])
})

test('parts give way: they are removed, and no more are written', async (t) => {
  const root = temporaryDirectory(t)
  const store = new PartStore(root, 'sha256')
  const taken = [1, 2].map((n) => store.tryTake(requestFor(n, 4_000_000))!)
  for (const { part } of taken) for (let i = 0; i < 20; i++) await part.append(Buffer.alloc(100_000))
  store.giveUp()
  const { freed } = store
  assert.ok(freed >= 2_000_000)
  store.giveUp()
  assert.equal(store.freed, freed)
  for (const { part, release } of taken) {
    for (let i = 0; i < 20; i++) await part.append(Buffer.alloc(100_000))
    await part.keep()
    await part.restart()
    await part.append(Buffer.alloc(2_000_000))
    await part.keep()
    release()
  }
  assert.deepEqual(readdirSync(root), [])
})

test('one at a time works on a blob; who waits gets it next, or stops waiting', needsLock, async (t) => {
  const root = temporaryDirectory(t)
  const [one, two, three] = [1, 2, 3].map(() => new PartStore(root, 'sha256'))
  const request = requestFor(1, 10)
  const first = one.tryTake(request)!
  assert.equal(two.tryTake(request), undefined)
  const controller = new AbortController()
  const stopped = two.take(request, controller.signal)
  const order: string[] = []
  const waiting = [two, three].map(async (store, i) => {
    const { release } = await store.take(request, new AbortController().signal)
    order.push('has it')
    await sleep(20)
    order.push('gives it')
    release()
    return i
  })
  await sleep(30)
  controller.abort()
  await assert.rejects(stopped, { code: 'SLUICE_CANCELLED' })
  assert.deepEqual(order, [])
  first.release()
  await Promise.all(waiting)
  assert.deepEqual(order, ['has it', 'gives it', 'has it', 'gives it'])
  assert.deepEqual(readdirSync(root), [])
})

test(
  'gc takes parts of more than a week, with `parts` all, never held ones; fsck does not mind any',
  needsLock,
  async (t) => {
    const repository = await temporaryRepository(t)
    const root = repository.path
    const week = 7 * 24 * 3600
    for (const [n, age] of [1, 2, 3, 4].map((n) => [n, n % 2 === 0 ? week + 60 : week - 60])) {
      plantPart(repository, digestOf(n), Buffer.alloc(n), '{"version":1}')
      const seconds = Date.now() / 1000 - age
      utimesSync(partPaths(root, digestOf(n)).data, seconds, seconds)
    }
    // Nobody holds these; the first is of a process that was killed.
    writeFileSync(partPaths(root, digestOf(1)).lock, '')
    writeFileSync(partPaths(root, digestOf(9)).lock, '')
    writeFileSync(partPaths(root, digestOf(8)).journal, '{}')
    const held = [3, 4].map((n) => new PartStore(root, 'sha256').tryTake(requestFor(n, 100))!)
    assert.deepEqual((await checkRepository(repository)).errors, [])

    const all = readdirSync(`${root}/${PARTS_DIRECTORY}`)
    const counts = async (options: object) => {
      const { partsRemoved, partsBytes } = await collectGarbage(repository, options)
      return [partsRemoved, partsBytes]
    }
    assert.deepEqual(await counts({ dryRun: true }), [1, 2])
    assert.deepEqual(await counts({ dryRun: true, parts: true }), [2, 3])
    assert.deepEqual(readdirSync(`${root}/${PARTS_DIRECTORY}`), all)
    assert.deepEqual(await counts({}), [1, 2])
    const name = (n: number) => digestOf(n).replace(':', '-')
    const heldNames = [3, 4].flatMap((n) => [name(n), `${name(n)}.json`, `${name(n)}.lock`])
    assert.deepEqual(partNames(repository), [name(1), `${name(1)}.json`, ...heldNames])
    assert.deepEqual(await counts({ parts: true }), [1, 1])
    assert.deepEqual(partNames(repository), heldNames)
    for (const { release } of held) release()
    assert.deepEqual(await counts({ parts: true }), [2, 7])
    assert.equal(partNames(repository), undefined)
  },
)

test('a full disk ends the keeping of parts for what is under way then, and not for later', (t) => {
  const store = new PartStore(temporaryDirectory(t), 'sha256')
  const [first, second] = [1, 2].map((n) => store.tryTake(requestFor(n, 3 * SMALLEST_PART))!)
  store.giveUp()
  first.release()
  const kept = (n: number): boolean => {
    const { part, release } = store.tryTake(requestFor(n, 3 * SMALLEST_PART))!
    const isKept = part.append(Buffer.alloc(SMALLEST_PART)) !== undefined
    release()
    return isKept
  }
  assert.equal(kept(3), false)
  second.release()
  assert.equal(kept(4), true)
})
