/** Transfers that break, stall, lie, or are not allowed (practice.md traps 1 and 2). */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import type { Descriptor } from '../../src/formats/oci/descriptor.js'
import type { BlobOptions, ImageSource } from '../../src/stages/fetch/image-source.js'
import type { ImageSourceOptions } from '../../src/stages/fetch/open.js'
import { inChunks, never, openForTest, readAll, startRegistry } from '../helpers/registry-client.js'
import { noise, putImage } from '../helpers/registry-images.js'
import type { Fault } from '../helpers/registry-faults.js'
import type { TestRegistry } from '../helpers/registry.js'
import { until } from '../helpers/until.js'

const bytes = noise(400_000)

interface Setting {
  readonly registry: TestRegistry
  readonly source: ImageSource
  readonly layer: Descriptor
  readonly fetch: (options?: Partial<BlobOptions>) => Promise<Buffer>
  readonly fault: (fault: Omit<Fault, 'path'>) => void
}

async function setUp(t: TestContext, options: ImageSourceOptions = {}, blob = bytes): Promise<Setting> {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [blob])
  const source = await openForTest(t, `docker://${registry.host}/app:t`, options)
  const { manifest } = await source.manifest({ signal: never })
  const layer = manifest.layers[0]
  return {
    registry,
    source,
    layer,
    fetch: (options) => readAll(source.blob(layer, { signal: never, ...options })),
    fault: (fault) => registry.fault({ path: /blobs/, ...fault }),
  }
}

function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  }
}

/** Status and Range of the requests for blobs. */
function transfers(registry: TestRegistry): string[] {
  return registry.requestsFor(/blobs/).map(({ status, headers }) => `${status} ${headers.range ?? '-'}`)
}

test('a cut body goes on with a range, as often as it takes', async (t) => {
  const { registry, layer, fetch, fault } = await setUp(t)
  fault({ cutAfter: 50_000, times: 7 })
  const progress: number[] = []
  assert.ok((await fetch({ onProgress: (count) => progress.push(count) })).equals(bytes))
  const starts = [50, 100, 150, 200, 250, 300].map((k) => `206 bytes=${k}000-`)
  assert.deepEqual(transfers(registry), ['200 -', ...starts, '206 bytes=350000-'])
  assert.equal(
    progress.reduce((a, b) => a + b),
    bytes.length,
  )
  assert.equal(registry.requestsFor(/blobs/)[1].headers['if-range'], `"${layer.digest}"`)
})

test('what an earlier run received is not fetched again', async (t) => {
  const { registry, fetch } = await setUp(t)
  const partial = (length: number) => ({ partial: inChunks(bytes.subarray(0, length), 10_000) })
  assert.ok((await fetch(partial(150_000))).equals(bytes))
  assert.ok((await fetch(partial(bytes.length))).equals(bytes))
  assert.deepEqual(transfers(registry), ['206 bytes=150000-'])
  const wrong = { partial: inChunks(Buffer.alloc(1000), 1000) }
  await assert.rejects(fetch(wrong), fails('SLUICE_DIGEST_MISMATCH', /blob sha256/))
  const long = { partial: inChunks(Buffer.concat([bytes, Buffer.from('x')]), 100_000) }
  await assert.rejects(fetch(long), fails('SLUICE_SIZE_MISMATCH', /at least 400001/))
})

test('ranges answered with 200, without or with a wrong Content-Range, or with an error for the range: start again, pass over what is known', async (t) => {
  const misbehaviours: Omit<Fault, 'path'>[] = [
    { ignoreRange: true },
    { contentRange: null },
    { contentRange: 'bytes 0-399999/400000' },
    { contentRange: 'bytes 99999-399999/400000' },
    { contentRange: 'nonsense' },
    { status: 416 },
    { status: 416, headers: { 'content-range': 'bytes */400000' } },
    { status: 400, body: '<Error><Code>ExpiredToken</Code></Error>' },
    { status: 412 },
    { status: 501 },
  ]
  for (const misbehaviour of misbehaviours) {
    const { registry, fetch, fault } = await setUp(t)
    fault({ cutAfter: 100_000 })
    fault({ ...misbehaviour, when: 'ranged', times: Infinity })
    assert.ok((await fetch()).equals(bytes), JSON.stringify(misbehaviour))
    assert.equal(transfers(registry).filter((entry) => !entry.endsWith('-') || entry.includes('=')).length, 1)
  }
})

test('without ranges a cut in the same place every time ends the budget', async (t) => {
  const { registry, fetch, fault } = await setUp(t, { retry: { tries: 3 } })
  fault({ cutAfter: 100_000, ignoreRange: true, times: Infinity })
  await assert.rejects(fetch(), fails('SLUICE_NETWORK', /docker:.*sha256:\w+: other side closed/))
  assert.equal(registry.requestsFor(/blobs/).length, 3)
})

test('sizes that the server states otherwise are refused at once', async (t) => {
  const { layer, source, fetch, fault } = await setUp(t)
  const longer = { ...layer, size: bytes.length + 1 }
  const read = (descriptor: Descriptor) => readAll(source.blob(descriptor, { signal: never }))
  await assert.rejects(read(longer), fails('SLUICE_SIZE_MISMATCH', /Expected size 400001 but found 400000/))
  fault({ cutAfter: 1000 })
  fault({ contentRange: 'bytes 1000-399999/500000' })
  await assert.rejects(fetch(), fails('SLUICE_SIZE_MISMATCH', /found 500000/))
  fault({ cutAfter: 1000 })
  fault({ status: 416, headers: { 'content-range': 'bytes */1000' } })
  await assert.rejects(fetch(), fails('SLUICE_SIZE_MISMATCH', /found 1000/))
  const page = '<p>Please log in.</p>'
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-length': String(page.length) }
  fault({ status: 200, headers, body: page })
  await assert.rejects(fetch(), { code: 'SLUICE_SIZE_MISMATCH', hint: /web page/ })
})

test('too many bytes and wrong bytes', async (t) => {
  const { layer, source, fetch, fault } = await setUp(t)
  fault({ append: noise(5_000_000) })
  let received = 0
  await assert.rejects(
    async () => {
      for await (const chunk of source.blob(layer, { signal: never })) received += chunk.length
    },
    fails('SLUICE_SIZE_MISMATCH', new RegExp(`${layer.digest}: Expected size 400000 but found at least`)),
  )
  assert.ok(received <= bytes.length)
  fault({ corruptAt: 250_000 })
  await assert.rejects(fetch(), fails('SLUICE_DIGEST_MISMATCH', new RegExp(`docker://.*${layer.digest}`)))
  fault({ cutAfter: 100_000 })
  fault({ corruptAt: 250_000 })
  await assert.rejects(fetch(), fails('SLUICE_DIGEST_MISMATCH', /has the digest sha256/))
  assert.ok((await fetch()).equals(bytes))
})

test('a stall counts as a break; silence before the answer too', async (t) => {
  const { registry, fetch, fault } = await setUp(t, { stallTimeoutMs: 1000, retry: { tries: 2 } })
  fault({ stallAfter: 120_000 })
  assert.ok((await fetch()).equals(bytes))
  assert.deepEqual(transfers(registry).slice(1), ['206 bytes=120000-'])
  fault({ stallAfter: 0, times: Infinity })
  await assert.rejects(fetch(), fails('SLUICE_NETWORK', /the transfer stalled/))
})

test('a server that takes connections and says nothing', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const source = await openForTest(t, `docker://127.0.0.1:${port}/app:t`, {
    stallTimeoutMs: 100,
    connectTimeoutMs: 100,
    retry: { tries: 1 },
  })
  await assert.rejects(source.manifest({ signal: never }), fails('SLUICE_NETWORK', /in time/))
  await source.close()
})

for (const proxied of [false, true]) {
  const kind = proxied ? ' by a proxy' : ''
  test(`a connection that is still being made${kind} is closed with the source`, async (t) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    t.after(() => server.close())
    const sockets: Socket[] = []
    server.on('connection', (socket) => sockets.push(socket.on('error', () => undefined).resume()))
    const source = await openForTest(t, `docker://${proxied ? 'registry.invalid' : address}/app:t`, {
      tlsVerify: true,
      env: proxied ? { HTTPS_PROXY: `https://${address}` } : {},
      connectTimeoutMs: 600_000,
    })
    const controller = new AbortController()
    const manifest = source.manifest({ signal: controller.signal })
    await until(() => sockets.length > 0)
    controller.abort()
    await assert.rejects(manifest, fails('SLUICE_CANCELLED', /cancelled/))
    await source.close()
    await until(() => sockets.every(({ closed }) => closed))
  })
}

test('429 and 5xx are tried again, with and without Retry-After; the last error is told', async (t) => {
  const { registry, source, fetch, fault } = await setUp(t)
  fault({ status: 429 })
  fault({ status: 503, headers: { 'retry-after': '0' } })
  fault({ status: 500, body: '<html>' })
  fault({ status: 408 })
  assert.ok((await fetch()).equals(bytes))
  assert.equal(registry.requestsFor(/blobs/).length, 5)
  registry.fault({ path: /manifests/, status: 502, times: 4 })
  await source.manifest({ signal: never })
  fault({ status: 429, times: Infinity })
  await assert.rejects(fetch(), (error) => {
    assert.ok(error instanceof SluiceError && error.retryable)
    assert.equal(error.exitStatus, 6)
    return fails('SLUICE_RATE_LIMIT', /answered 429/)(error)
  })
  const asked = registry.requestsFor(/manifests/).length
  registry.fault({ path: /manifests/, status: 502, times: Infinity })
  await assert.rejects(source.manifest({ signal: never }), fails('SLUICE_HTTP', /answered 502/))
  assert.equal(registry.requestsFor(/manifests/).length - asked, 5)
})

test('Retry-After is waited for, up to a limit', async (t) => {
  const { fetch, fault } = await setUp(t, { retry: { maxRetryAfterMs: 300 } })
  fault({ status: 429, headers: { 'retry-after': '3600' } })
  const started = performance.now()
  assert.ok((await fetch()).equals(bytes))
  const waited = performance.now() - started
  assert.ok(waited >= 290 && waited < 60_000, String(waited))
})

test('errors that no retry mends are not tried again', async (t) => {
  const { registry, fetch, fault } = await setUp(t)
  for (const [status, code] of [
    [404, 'SLUICE_NOT_FOUND'],
    [403, 'SLUICE_AUTH'],
    [400, 'SLUICE_HTTP'],
  ] as const) {
    fault({ status })
    const before = registry.requestsFor(/blobs/).length
    await assert.rejects(fetch(), fails(code, new RegExp(`answered ${status}`)))
    assert.equal(registry.requestsFor(/blobs/).length, before + 1)
  }
  const before = registry.requestsFor(/blobs/).length
  fault({ status: 200, headers: { 'x-long': 'x'.repeat(17_000) } })
  await assert.rejects(fetch(), fails('SLUICE_NETWORK', /headers of its answer are too long/))
  assert.equal(registry.requestsFor(/blobs/).length, before + 1)
})

test('a registry that goes away', async (t) => {
  const { registry, fetch } = await setUp(t)
  await registry.close()
  await assert.rejects(fetch(), fails('SLUICE_NETWORK', /ECONNREFUSED/))
})

test('cancellation is prompt, whatever is waited for, and leaves no connection', async (t) => {
  const { registry, source, layer, fault } = await setUp(t, { retry: { baseDelayMs: 60_000, maxDelayMs: 60_000 } })
  const cancelledSoon = async (work: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 50)
    const started = performance.now()
    await assert.rejects(work(controller.signal), fails('SLUICE_CANCELLED', /cancelled/))
    assert.ok(performance.now() - started < 20_000)
  }
  const fetch = (signal: AbortSignal) => readAll(source.blob(layer, { signal }))
  fault({ stallAfter: 100_000 })
  await cancelledSoon(fetch)
  fault({ stallAfter: 0 })
  await cancelledSoon(fetch)
  fault({ status: 503 })
  await cancelledSoon(fetch)
  registry.fault({ path: /manifests/, status: 503 })
  await cancelledSoon((signal) => source.manifest({ signal }))
  await assert.rejects(fetch(AbortSignal.abort()), fails('SLUICE_CANCELLED', /cancelled/))
  await source.close()
  await until(async () => (await registry.connections()) === 0)
})

test('a reader that stops early closes the transfer', async (t) => {
  // More than a chunk has to have come.
  const { registry, source, layer, fault } = await setUp(t, {}, noise(3_000_000))
  fault({ stallAfter: 2_500_000 })
  for await (const chunk of source.blob(layer, { signal: never })) {
    assert.ok(chunk.length > 0)
    break
  }
  // The registry notes the status when the connection of an unfinished answer closes.
  await until(() => transfers(registry)[0] !== '0 -')
  assert.deepEqual(transfers(registry), ['200 -'])
})
