/** Pulls that go on where an earlier run, of this process or another one, was interrupted (practice.md rank 1, trap 1). */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { lastValueFrom, tap } from 'rxjs'
import { parseDigest } from '../../src/formats/digest.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import type { PullEvent, PullResult } from '../../src/pipelines/pull-events.js'
import { pullOci } from '../../src/pipelines/pull-oci.js'
import { streamName } from '../../src/repository/names.js'
import { bootId, writeJournal } from '../../src/repository/parts/part-journal.js'
import { partPaths } from '../../src/repository/parts/part-files.js'
import type { Repository } from '../../src/repository/repository.js'
import { partNames, plantPart, readPart, readPartJournal } from '../helpers/parts.js'
import { layerTar, pullFrom, serveImage, type ServedImage } from '../helpers/pull.js'
import { openForTest, startRegistry } from '../helpers/registry-client.js'
import type { Fault } from '../helpers/registry-faults.js'
import type { TestRegistry } from '../helpers/registry.js'
import { temporaryRepository } from '../helpers/temporary.js'

const tars = [layerTar('base', [10, 65, 5000]), layerTar('big', [100, 3_000_000, 65])]
const bigBlob = gzipSync(tars[1])
const arrived = 2_000_000

/** Without threads, which take longer to start than these pulls take. */
const pull = (repository: Repository, registry: TestRegistry, tag: string): Promise<PullResult> =>
  pullFrom(repository, registry, tag, { threads: 0, source: { stallTimeoutMs: 60_000 } })

interface Setting {
  readonly registry: TestRegistry
  readonly repository: Repository
  readonly big: ServedImage['layers'][number]
  readonly path: RegExp
}

async function setUp(t: TestContext): Promise<Setting> {
  const registry = await startRegistry(t)
  const { layers } = serveImage(registry, 'v1', tars)
  const [, big] = layers
  assert.equal(big.size, bigBlob.length)
  return { registry, repository: await temporaryRepository(t), big, path: new RegExp(`/blobs/${big.digest}`) }
}

/** Lets a pull fail when `arrived` bytes of the big layer are there. */
async function interrupt({ registry, repository, path }: Setting, fault: Partial<Fault> = {}): Promise<void> {
  registry.fault({ path, cutAfter: arrived, ...fault })
  registry.fault({ path, status: 503 })
  await assert.rejects(pull(repository, registry, 'v1'), { code: 'SLUICE_HTTP' })
  registry.requests.length = 0
}

const ranges = ({ registry, path }: Setting) =>
  registry.requestsFor(path).map(({ status, headers }) => `${status} ${headers.range ?? 'whole'}`)

async function pullWithEvents(t: TestContext, { repository, registry }: Setting): Promise<PullEvent[]> {
  const events: PullEvent[] = []
  const source = await openForTest(t, `docker://${registry.host}/app:v1`)
  const run = pullOci(repository, () => Promise.resolve(source), { tag: 'v1', threads: 0 })
  await lastValueFrom(run.pipe(tap((event) => events.push(event))))
  return events
}

let undisturbed: Promise<PullResult> | undefined

async function pullUndisturbed(t: TestContext, registry: TestRegistry): Promise<PullResult> {
  return pull(await temporaryRepository(t), registry, 'v1')
}

/** All is as if nothing had happened, and nothing is pending. */
async function assertWhole(t: TestContext, { repository, registry }: Setting, result: PullResult): Promise<void> {
  const { images, manifestDigest } = await (undisturbed ??= pullUndisturbed(t, registry))
  assert.deepEqual(result.images, images)
  assert.equal(result.manifestDigest, manifestDigest)
  assert.deepEqual((await checkRepository(repository)).errors, [])
  assert.equal(partNames(repository), undefined)
}

test('the next run fetches only the rest, and tells so', async (t) => {
  const setting = await setUp(t)
  const { repository, registry, big } = setting
  await interrupt(setting)
  const name = big.digest.replace(':', '-')
  assert.deepEqual(partNames(repository), [name, `${name}.json`])
  assert.ok(readPart(repository, big.digest).equals(bigBlob.subarray(0, arrived)))
  assert.deepEqual(readPartJournal(repository, big.digest), {
    version: 1,
    digest: big.digest,
    size: big.size,
    origin: registry.host,
    etag: `"${big.digest}"`,
  })
  assert.deepEqual((await checkRepository(repository)).errors, [])

  const events = await pullWithEvents(t, setting)
  const [request] = registry.requestsFor(setting.path)
  assert.deepEqual(ranges(setting), [`206 bytes=${arrived}-`])
  assert.equal(request.headers['if-range'], `"${big.digest}"`)
  assert.equal(request.sent, big.size - arrived)
  const progress = events.filter((event) => event.type === 'progress')
  assert.deepEqual(progress.at(-1), { type: 'progress', id: big.diffId, fetched: big.size, total: big.size })
  const done = events.find((event) => event.type === 'done')
  assert.deepEqual(done, { type: 'done', id: big.diffId, transferred: big.size - arrived })
  const last = events.at(-1)
  assert.ok(last?.type === 'completed')
  await assertWhole(t, setting, last.result)
})

test('a cancelled pull keeps what arrived, to the last byte', async (t) => {
  const setting = await setUp(t)
  const { registry, repository, path, big } = setting
  registry.fault({ path, stallAfter: 1_234_567 })
  const controller = new AbortController()
  const stop = tap((event: PullEvent) => {
    if (event.type === 'progress' && event.fetched === 1_234_567) controller.abort()
  })
  const source = await openForTest(t, `docker://${registry.host}/app:v1`)
  const run = pullOci(repository, () => Promise.resolve(source), { tag: 'v1', threads: 0, signal: controller.signal })
  await assert.rejects(lastValueFrom(run.pipe(stop)), { code: 'SLUICE_CANCELLED' })
  assert.ok(readPart(repository, big.digest).equals(bigBlob.subarray(0, 1_234_567)))
  const result = await pull(repository, registry, 'v1')
  assert.deepEqual(ranges(setting).slice(1), ['206 bytes=1234567-'])
  await assertWhole(t, setting, result)
})

const answers: { readonly name: string; readonly fault: Partial<Fault>; readonly requests: readonly string[] }[] = [
  { name: 'another ETag', fault: { etag: '"new"' }, requests: [`200 bytes=${arrived}-`] },
  { name: 'no ranges', fault: { ignoreRange: true }, requests: [`200 bytes=${arrived}-`] },
  { name: '416', fault: { status: 416 }, requests: [`416 bytes=${arrived}-`, '200 whole'] },
  { name: '400', fault: { status: 400 }, requests: [`400 bytes=${arrived}-`, '200 whole'] },
  { name: 'no Content-Range', fault: { contentRange: null }, requests: [`206 bytes=${arrived}-`, '200 whole'] },
  {
    name: 'another range',
    fault: { contentRange: `bytes 0-${bigBlob.length - 1}/${bigBlob.length}` },
    requests: [`206 bytes=${arrived}-`, '200 whole'],
  },
]

for (const { name, fault, requests } of answers) {
  test(`a server that answers the request for the rest with ${name}`, async (t) => {
    const setting = await setUp(t)
    await interrupt(setting)
    setting.registry.fault({ path: setting.path, when: 'ranged', ...fault })
    const result = await pull(setting.repository, setting.registry, 'v1')
    assert.deepEqual(ranges(setting), requests)
    await assertWhole(t, setting, result)
  })
}

test('If-Range goes only with a strong ETag, and only to the server that gave it', async (t) => {
  const weak = await setUp(t)
  await interrupt(weak, { etag: 'W/"x"' })
  assert.equal(readPartJournal(weak.repository, weak.big.digest)['etag'], undefined)
  await pull(weak.repository, weak.registry, 'v1')
  assert.equal(weak.registry.requestsFor(weak.path)[0].headers['if-range'], undefined)

  const setting = await setUp(t)
  await interrupt(setting)
  const elsewhere = await startRegistry(t)
  serveImage(elsewhere, 'v1', tars)
  await pull(setting.repository, elsewhere, 'v1')
  const [request] = elsewhere.requestsFor(setting.path)
  assert.deepEqual([request.headers.range, request.headers['if-range']], [`bytes=${arrived}-`, undefined])
})

test('wrong bytes in a part: the blob is fetched from its beginning, once, in the same run', async (t) => {
  const setting = await setUp(t)
  const { repository, big } = setting
  const wrong = Buffer.from(bigBlob.subarray(0, arrived))
  wrong[arrived - 1] ^= 1
  plantPart(repository, big.digest, wrong)
  const events = await pullWithEvents(t, setting)
  assert.deepEqual(ranges(setting), [`206 bytes=${arrived}-`, '200 whole'])
  assert.ok(events.some((event) => event.type === 'warning' && /from its beginning: .* was wrong/.test(event.text)))
  const last = events.at(-1)
  assert.ok(last?.type === 'completed')
  await assertWhole(t, setting, last.result)

  const again = await setUp(t)
  plantPart(again.repository, big.digest, randomBytes(arrived))
  again.registry.fault({ path: again.path, corruptAt: big.size - 1, times: 9 })
  await assert.rejects(pull(again.repository, again.registry, 'v1'), { code: 'SLUICE_DIGEST_MISMATCH' })
  assert.deepEqual(ranges(again), [`206 bytes=${arrived}-`, '200 whole'])
  assert.equal(partNames(again.repository), undefined)
})

test('parts of odd lengths, and journals that make no sense', async (t) => {
  const table: { bytes: Uint8Array; journal?: string; requests: string[] }[] = [
    { bytes: bigBlob, requests: [] },
    { bytes: Buffer.concat([bigBlob, Buffer.from('x')]), requests: ['200 whole'] },
    { bytes: Buffer.alloc(0), requests: ['200 whole'] },
    { bytes: bigBlob.subarray(0, 1), requests: ['206 bytes=1-'] },
    { bytes: bigBlob.subarray(0, 9), journal: '{"version":1,', requests: ['206 bytes=9-'] },
    { bytes: bigBlob.subarray(0, 9), journal: '[]', requests: ['206 bytes=9-'] },
    {
      bytes: bigBlob.subarray(0, 9),
      journal: JSON.stringify({ version: 1, origin: 'x', etag: '"a"\r\nx: y' }),
      requests: ['206 bytes=9-'],
    },
  ]
  for (const { bytes, journal, requests } of table) {
    const setting = await setUp(t)
    plantPart(setting.repository, setting.big.digest, bytes, journal)
    const result = await pull(setting.repository, setting.registry, 'v1')
    assert.deepEqual(ranges(setting), requests)
    await assertWhole(t, setting, result)
  }
})

const inPlaceOfFiles: Readonly<Record<string, (path: string) => void>> = {
  directories: (path) => void mkdirSync(path, { recursive: true }),
  pipes: (path) => {
    mkdirSync(dirname(path), { recursive: true })
    execFileSync('mkfifo', [path])
  },
}

for (const [name, make] of Object.entries(inPlaceOfFiles)) {
  for (const kind of ['data', 'journal', 'lock'] as const) {
    test(`${name} in place of the ${kind} of a part keep nobody from pulling or collecting`, async (t) => {
      const setting = await setUp(t)
      const { repository, registry, big } = setting
      const path = partPaths(repository.path, parseDigest(big.digest))[kind]
      make(path)
      await collectGarbage(repository, { parts: true })
      assert.ok(existsSync(path))
      const result = await pull(repository, registry, 'v1')
      rmSync(`${repository.path}/.sluice`, { recursive: true, force: true })
      await assertWhole(t, setting, result)
    })
  }
}

test('blobs below 1 MiB, and blobs that turn out wrong, leave nothing', async (t) => {
  const registry = await startRegistry(t)
  const { layers } = serveImage(registry, 'v1', [layerTar('small', [900_000])])
  const path = new RegExp(layers[0].digest)
  const repository = await temporaryRepository(t)
  registry.fault({ path, cutAfter: 800_000 })
  registry.fault({ path, status: 503 })
  await assert.rejects(pull(repository, registry, 'v1'), { code: 'SLUICE_HTTP' })
  assert.equal(partNames(repository), undefined)

  const setting = await setUp(t)
  setting.registry.fault({ path: setting.path, corruptAt: 1_500_000, times: 9 })
  await assert.rejects(pull(setting.repository, setting.registry, 'v1'), { code: 'SLUICE_DIGEST_MISMATCH' })
  assert.equal(partNames(setting.repository), undefined)
  assert.deepEqual(ranges(setting), ['200 whole'])
})

test('a layer that lacked only its link is linked, unless the machine was restarted or an object is gone', async (t) => {
  assert.notEqual(bootId(), undefined)
  const cases = [
    { name: 'sealed', requests: [] },
    { name: 'another boot', boot: 'other', requests: ['200 whole'] },
    { name: 'object gone', damage: true, requests: ['200 whole'] },
    { name: 'another stream', stream: 'oci-layer-x', requests: ['200 whole'] },
  ]
  for (const { name, boot, damage, stream, requests } of cases) {
    const setting = await setUp(t)
    const { repository, registry, big } = setting
    await pull(repository, registry, 'v1')
    registry.requests.length = 0
    const digest = parseDigest(big.digest)
    const layer = streamName.layer(big.diffId)
    const object = repository.streams.objectOf(layer)!
    if (damage === true) {
      const open = repository.openStream(layer)
      unlinkSync(repository.objects.path(open.objectRefs.at(0)))
      open.close()
    }
    unlinkSync(repository.streams.path(layer))
    const { journal } = partPaths(repository.path, digest)
    const sealed = { stream: stream ?? layer, object }
    writeJournal(journal, { digest, size: big.size, validator: undefined, sealed })
    if (boot !== undefined) {
      const text = JSON.stringify({ ...readPartJournal(repository, digest), boot })
      plantPart(repository, digest, Buffer.alloc(0), text)
    }
    const result = await pull(repository, registry, 'v1')
    assert.deepEqual(ranges(setting), requests, name)
    assert.equal(result.layers.fetched, requests.length, name)
    await assertWhole(t, setting, result)
  }
})
