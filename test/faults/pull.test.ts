/**
 * Pulls from a registry that misbehaves: each fails with the right code, names what it is about, registers nothing it
 * should not, keeps what arrived, leaves a clean repository, and the next run ends like an undisturbed one.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync, truncateSync, unlinkSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import { readDirectory } from '../../src/repository/category.js'
import type { Repository } from '../../src/repository/repository.js'
import { layerTar, pullFrom, serveImage, type ServedImage } from '../helpers/pull.js'
import type { Fault } from '../helpers/registry-faults.js'
import { startRegistry } from '../helpers/registry-client.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { until } from '../helpers/until.js'
import type { TestRegistry } from '../helpers/registry.js'

const tars = [layerTar('base', [10, 65, 5000, 200_000]), layerTar('app')]

async function fetchFails(
  repository: Repository,
  registry: TestRegistry,
  code: ErrorCode,
  names: readonly string[],
): Promise<void> {
  await assert.rejects(pullFrom(repository, registry, 'v1', { concurrency: 1 }), (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.code, code, error.message)
    for (const name of names) assert.ok(error.message.includes(name), `${name} is not in: ${error.message}`)
    return true
  })
}

/** Nothing tagged, nothing damaged, no temporary file. */
async function assertClean(repository: Repository): Promise<void> {
  assert.deepEqual(repository.streams.refs(), [])
  const result = await checkRepository(repository)
  assert.deepEqual(result.errors, [])
  const leftovers = [repository.path, repository.objects.directory]
    .flatMap((path) => readDirectory(path).map(({ name }) => name))
    .filter((name) => name.startsWith('.'))
  assert.deepEqual(leftovers, [])
}

async function undisturbed(t: TestContext, registry: TestRegistry): Promise<PullResult> {
  return pullFrom(await temporaryRepository(t), registry, 'v1')
}

const blobOf = ({ layers }: ServedImage, index: number) => new RegExp(`/blobs/${layers[index].digest}`)

interface Case {
  readonly name: string
  readonly fault: (image: ServedImage) => Fault
  readonly code: ErrorCode
  /** What the message must name besides the registry. */
  readonly names?: (image: ServedImage) => string[]
  /** Layers that are kept. */
  readonly kept: number
}

const second = (image: ServedImage) => [image.layers[1].digest]

// Layers are fetched the largest first and one at a time here: the second one, which is larger, comes first.
const cases: Case[] = [
  {
    name: 'a flipped bit in a layer',
    fault: (i) => ({ path: blobOf(i, 1), corruptAt: 2000, times: 9 }),
    code: 'SLUICE_DIGEST_MISMATCH',
    names: second,
    kept: 0,
  },
  {
    name: 'a flipped bit in the smaller layer',
    fault: (i) => ({ path: blobOf(i, 0), corruptAt: 2000, times: 9 }),
    code: 'SLUICE_DIGEST_MISMATCH',
    kept: 1,
  },
  {
    name: 'bytes behind a layer',
    fault: (i) => ({ path: blobOf(i, 1), append: Buffer.from('junk'), times: 9 }),
    code: 'SLUICE_SIZE_MISMATCH',
    names: second,
    kept: 0,
  },
  {
    name: 'a layer that is always cut at the same byte',
    fault: (i) => ({ path: blobOf(i, 1), cutAfter: 0, times: 9 }),
    code: 'SLUICE_NETWORK',
    names: second,
    kept: 0,
  },
  {
    name: 'a layer that stalls for ever',
    fault: (i) => ({ path: blobOf(i, 1), stallAfter: 0, times: 9 }),
    code: 'SLUICE_NETWORK',
    names: second,
    kept: 0,
  },
  {
    name: 'a layer that is gone',
    fault: (i) => ({ path: blobOf(i, 1), status: 404 }),
    code: 'SLUICE_NOT_FOUND',
    names: second,
    kept: 0,
  },
  {
    name: 'a layer that may not be read',
    fault: (i) => ({ path: blobOf(i, 1), status: 403 }),
    code: 'SLUICE_AUTH',
    names: second,
    kept: 0,
  },
  {
    name: 'a server that is down',
    fault: () => ({ path: /manifests/, status: 503, times: 99 }),
    code: 'SLUICE_HTTP',
    kept: 0,
  },
  {
    name: 'a server that wants a pause for ever',
    fault: () => ({ path: /manifests/, status: 429, times: 99 }),
    code: 'SLUICE_RATE_LIMIT',
    kept: 0,
  },
  {
    name: 'a manifest that is not there',
    fault: () => ({ path: /manifests/, status: 404, times: 9 }),
    code: 'SLUICE_NOT_FOUND',
    kept: 0,
  },
  {
    name: 'credentials that are wanted',
    fault: () => ({ path: /manifests/, status: 401, times: 9 }),
    code: 'SLUICE_AUTH',
    kept: 0,
  },
  {
    name: 'a web page where the manifest should be',
    fault: () => ({
      path: /manifests/,
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<html>',
      times: 9,
    }),
    code: 'SLUICE_HTTP',
    kept: 0,
  },
]

for (const { name, fault, code, names, kept } of cases) {
  test(name, async (t) => {
    const registry = await startRegistry(t)
    const image = serveImage(registry, 'v1', tars)
    const expected = await undisturbed(t, registry)
    const repository = await temporaryRepository(t)
    registry.fault(fault(image))
    await fetchFails(repository, registry, code, [registry.host, ...(names?.(image) ?? [])])
    const streams = repository.streams.entries().map((entry) => entry.name)
    assert.equal(streams.filter((stream) => stream.startsWith('oci-layer-')).length, kept)
    assert.equal(streams.length, kept)
    await assertClean(repository)

    const healthy = await startRegistry(t)
    serveImage(healthy, 'v1', tars)
    const result = await pullFrom(repository, healthy, 'v1')
    assert.equal(result.layers.fetched, 2 - kept)
    assert.deepEqual(result.images, expected.images)
    assert.equal(result.manifestDigest, expected.manifestDigest)
  })
}

test('trouble that passes is overcome: cuts, 503, 429 with and without Retry-After', async (t) => {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  const expected = await undisturbed(t, registry)
  registry.fault({ path: /manifests/, status: 503 })
  registry.fault({ path: blobOf(image, 1), cutAfter: 1000 })
  registry.fault({ path: blobOf(image, 1), cutAfter: 5000 })
  registry.fault({ path: blobOf(image, 1), stallAfter: 7000 })
  registry.fault({ path: blobOf(image, 0), status: 429 })
  const repository = await temporaryRepository(t)
  const result = await pullFrom(repository, registry, 'v1')
  assert.deepEqual(result.images, expected.images)
  assert.deepEqual((await checkRepository(repository)).errors, [])
})

test('a stored document or layer whose bytes have changed is stored anew, though its size is right', async (t) => {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  const repository = await temporaryRepository(t)
  const { configDigest, manifestDigest, images } = await pullFrom(repository, registry, 'v1')
  for (const name of [
    `oci-layer-${image.layers[0].diffId}`,
    `oci-config-${configDigest}`,
    `oci-manifest-${manifestDigest}`,
  ]) {
    const path = repository.objects.path(repository.streams.objectOf(name)!)
    const sound = readFileSync(path)
    const damaged = Buffer.from(sound)
    // The magic number of a splitstream.
    damaged[0] ^= 0xff
    writeFileSync(path, damaged)
    assert.deepEqual((await pullFrom(repository, registry, 'v1')).images, images)
    assert.ok(readFileSync(path).equals(sound), name)
  }
  assert.deepEqual((await checkRepository(repository)).errors, [])
})

test('a layer whose tar has another digest than its diff_id is not registered', async (t) => {
  const registry = await startRegistry(t)
  const truth = serveImage(registry, 'good', tars)
  serveImage(registry, 'v1', tars, [
    truth.layers[0].diffId,
    truth.layers[0].diffId.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
  ])
  const repository = await temporaryRepository(t)
  await fetchFails(repository, registry, 'SLUICE_DIGEST_MISMATCH', [registry.host, truth.layers[1].diffId])
  await assertClean(repository)
})

test('a tar that ends early or is none is refused, whatever its digests say', async (t) => {
  for (const bad of [tars[0].subarray(0, 700), Buffer.alloc(2048, 7)]) {
    const registry = await startRegistry(t)
    serveImage(registry, 'v1', [tars[1], bad])
    const repository = await temporaryRepository(t)
    await fetchFails(repository, registry, 'SLUICE_FORMAT', [registry.host])
    await assertClean(repository)
  }
})

test('what cannot be a tag is refused before anything is asked for', async (t) => {
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const repository = await temporaryRepository(t)
  for (const tag of ['@x', '.', '..', '', 'x'.repeat(256)]) {
    await assert.rejects(pullFrom(repository, registry, 'v1', { tag }), { code: 'SLUICE_USAGE' })
  }
  assert.deepEqual(registry.requests, [])
})

test('a cancelled pull stops soon, closes its connections and leaves a clean repository', async (t) => {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  registry.fault({ path: blobOf(image, 1), stallAfter: 3000, times: 9 })
  const repository = await temporaryRepository(t)
  const controller = new AbortController()
  const pull = pullFrom(repository, registry, 'v1', { signal: controller.signal, source: { stallTimeoutMs: 60_000 } })
  setTimeout(() => controller.abort(), 100)
  await assert.rejects(pull, { code: 'SLUICE_CANCELLED', name: 'AbortError' })
  await assertClean(repository)
  // The server hears of it a moment later.
  await until(async () => (await registry.connections()) === 0)
})

test('a damaged stored layer or config is fetched again', async (t) => {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  const repository = await temporaryRepository(t)
  const first = await pullFrom(repository, registry, 'v1')

  const layer = repository.openStream(`oci-layer-${image.layers[0].diffId}`)
  unlinkSync(repository.objects.path(layer.objectRefs.at(0)))
  layer.close()
  assert.equal((await pullFrom(repository, registry, 'v1')).layers.fetched, 1, 'an object of the layer was missing')

  truncateSync(repository.objects.path(repository.streams.objectOf(`oci-config-${first.configDigest}`)!), 20)
  unlinkSync(repository.objects.path(repository.streams.objectOf(`oci-config-${first.configDigest}`)!))
  const again = await pullFrom(repository, registry, 'v1')
  assert.equal(again.layers.fetched, 0)
  assert.deepEqual(again.images, first.images)
  assert.deepEqual((await checkRepository(repository)).errors, [])
})
