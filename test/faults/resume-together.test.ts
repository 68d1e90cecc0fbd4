/** Several pulls that need the same layers at the same moment (design.md §2, practice.md trap 5). */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../../src/formats/digest.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { Repository } from '../../src/repository/repository.js'
import { sluice } from '../helpers/cli.js'
import { partNames, plantPart } from '../helpers/parts.js'
import { layerTar, pullFrom, serveImage, type ServedImage } from '../helpers/pull.js'
import { startRegistry } from '../helpers/registry-client.js'
import type { TestRegistry } from '../helpers/registry.js'
import { temporaryRepository } from '../helpers/temporary.js'

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }
const tars = ['a', 'b', 'c'].map((name) => layerTar(name, [65, 400_000]))
const patient = { threads: 0, source: { stallTimeoutMs: 60_000 } } as const

async function setUp(t: TestContext): Promise<{ registry: TestRegistry; repository: Repository; image: ServedImage }> {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  return { registry, repository: await temporaryRepository(t), image }
}

const pullArgs = ({ path }: Repository, { host }: TestRegistry) => {
  const options = '--insecure --no-tls-verify --platform linux/amd64'.split(' ')
  return ['--repo', path, 'pull', ...options, `docker://${host}/app:v1`, 'v1']
}

const requestsOf = (registry: TestRegistry, { layers }: ServedImage) =>
  layers.map(({ digest }) => registry.requestsFor(new RegExp(digest)).length)

test('pulls of one process into one repository fetch each layer once', async (t) => {
  const { registry, repository, image } = await setUp(t)
  serveImage(registry, 'v2', [tars[2], tars[0]])
  registry.bytesPerSecond = 3_000_000
  const results = await Promise.all(
    ['v1', 'v2', 'v1'].map((tag, i) => pullFrom(repository, registry, tag, { tag: `t${i}`, ...patient })),
  )
  assert.deepEqual(requestsOf(registry, image), [1, 1, 1])
  assert.equal(
    results.reduce((sum, { layers }) => sum + layers.fetched, 0),
    3,
  )
  assert.deepEqual(results[0].images, results[2].images)
  assert.deepEqual((await checkRepository(repository)).errors, [])
  assert.equal(partNames(repository), undefined)
})

test('what a run left that was killed as it ended goes with the next pull, unless somebody works on it', async (t) => {
  const { registry, repository, image } = await setUp(t)
  await pullFrom(repository, registry, 'v1', patient)
  const [first, second] = image.layers
  for (const { digest } of [first, second]) plantPart(repository, digest, Buffer.from('some bytes'))
  const request = { digest: second.digest as Digest, size: 100, stream: 'another' }
  const taken = lockingAvailable() ? repository.parts.tryTake(request) : undefined
  await pullFrom(repository, registry, 'v1', patient)
  const left = partNames(repository)
  assert.equal(left?.some((name) => name.includes(first.digest.slice(7))) ?? false, false)
  assert.equal(left?.some((name) => name.includes(second.digest.slice(7))) ?? false, taken !== undefined)
  taken?.release()
  await pullFrom(repository, registry, 'v1', patient)
  assert.equal(partNames(repository), undefined)
})

test('two openings of a repository, and two processes, fetch each layer once', needsLock, async (t) => {
  const { registry, repository, image } = await setUp(t)
  registry.bytesPerSecond = 3_000_000
  using second = await Repository.open(repository.path, { insecure: true })
  await Promise.all([repository, second].map((each) => pullFrom(each, registry, 'v1', { concurrency: 1, ...patient })))
  assert.deepEqual(requestsOf(registry, image), [1, 1, 1])

  const other = await temporaryRepository(t)
  registry.requests.length = 0
  registry.bytesPerSecond = 500_000
  const pull = (...jobs: string[]) => sluice([...pullArgs(other, registry), ...jobs])
  const results = await Promise.all([pull('-j', '1'), pull()])
  for (const { status, stderr } of results) assert.equal(status, 0, stderr)
  assert.deepEqual(requestsOf(registry, image), [1, 1, 1])
  assert.deepEqual((await checkRepository(other)).errors, [])
  assert.equal(partNames(other), undefined)
})

test('without locks both fetch, and all is well', async (t) => {
  const { registry, repository } = await setUp(t)
  registry.bytesPerSecond = 1_000_000
  const pull = () => sluice(pullArgs(repository, registry), { env: { SLUICE_NATIVE: 'off' } })
  const results = await Promise.all([pull(), pull()])
  for (const { status, stderr } of results) assert.equal(status, 0, stderr)
  assert.deepEqual((await checkRepository(repository)).errors, [])
  assert.equal(partNames(repository), undefined)
})

test('who is cancelled does not take the others along: the next one goes on with the part', async (t) => {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', [layerTar('large', [2_500_000])])
  const repository = await temporaryRepository(t)
  const path = new RegExp(image.layers[0].digest)
  registry.fault({ path, stallAfter: 1_500_000 })
  const controller = new AbortController()
  const first = pullFrom(repository, registry, 'v1', { signal: controller.signal, ...patient })
  while (registry.sent < 1_500_000) await sleep(5)
  const second = pullFrom(repository, registry, 'v1', patient)
  await sleep(200)
  controller.abort()
  await assert.rejects(first, { code: 'SLUICE_CANCELLED' })
  const { layers } = await second
  assert.equal(layers.fetched, 1)
  const [, request] = registry.requestsFor(path)
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? assert.fail('no range')
  assert.ok(Number(start) > 1_000_000, start)
  assert.equal(registry.requestsFor(path).length, 2)
  assert.deepEqual((await checkRepository(repository)).errors, [])
})
