/** The registry client against a registry on loopback: names, platforms, documents, places, proxies. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import type { Descriptor } from '../../src/formats/oci/descriptor.js'
import { parsePlatform } from '../../src/formats/oci/platform.js'
import type { ImageSource } from '../../src/stages/fetch/image-source.js'
import { never, openForTest, readAll, startRegistry } from '../helpers/registry-client.js'
import { noise, putImage } from '../helpers/registry-images.js'
import { makeCertificate, type TestCertificate } from '../helpers/registry-tls.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const platform = parsePlatform('linux/amd64')
const quick = { retry: { tries: 1 } }

function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  }
}

async function firstLayer(source: ImageSource): Promise<string> {
  const { manifest } = await source.manifest({ signal: never, platform })
  return (await readAll(source.blob(manifest.layers[0], { signal: never }))).toString()
}

test('by tag, by digest, and by both: the digest counts', async (t) => {
  const registry = await startRegistry(t)
  const old = putImage(registry, 'ns/app', undefined, [Buffer.from('old')])
  const current = putImage(registry, 'ns/app', 'v1', [Buffer.from('new')])
  const open = (name: string) => openForTest(t, `docker://${registry.host}/ns/app${name}`)
  assert.equal(await firstLayer(await open(':v1')), 'new')
  assert.equal(await firstLayer(await open(`@${old.digest}`)), 'old')
  assert.equal(await firstLayer(await open(`:v1@${old.digest}`)), 'old')
  const source = await open(':v1')
  const resolved = await source.manifest({ signal: never })
  assert.equal(resolved.digest, current.digest)
  assert.equal(`sha256:${createHash('sha256').update(resolved.bytes).digest('hex')}`, current.digest)
  assert.equal(source.description, `docker://${registry.host}/ns/app:v1`)
  const config = await source.document(resolved.manifest.config, { signal: never })
  assert.equal((JSON.parse(config.toString()) as { os: string }).os, 'linux')
  await assert.rejects(
    firstLayer(await open(':none')),
    fails('SLUICE_NOT_FOUND', /ns\/app:none: .*404: MANIFEST_UNKNOWN/),
  )
  const gone = { ...resolved.manifest.config, digest: `sha256:${'0'.repeat(64)}` as Descriptor['digest'] }
  await assert.rejects(readAll(source.blob(gone, { signal: never })), fails('SLUICE_NOT_FOUND', /404: BLOB_UNKNOWN/))
  const [first] = registry.requestsFor(/manifests/)
  assert.match(first.headers.accept!, /oci\.image\.manifest\.v1\+json, application\/vnd\.oci\.image\.index.*docker/)
  assert.equal(first.headers['accept-encoding'], 'identity')
})

test('a manifest that does not have the digest it was asked by', async (t) => {
  const registry = await startRegistry(t)
  const { digest } = putImage(registry, 'app', undefined, [Buffer.from('x')])
  registry.fault({
    path: /manifests/,
    status: 200,
    body: '{"schemaVersion":2}',
    headers: { 'docker-content-digest': digest },
  })
  const source = await openForTest(t, `docker://${registry.host}/app@${digest}`)
  await assert.rejects(source.manifest({ signal: never }), fails('SLUICE_DIGEST_MISMATCH', new RegExp(digest)))
})

test('instances of an index: platform and variant, foreign single manifests, size and digest of the instance', async (t) => {
  const registry = await startRegistry(t)
  const index = 'application/vnd.oci.image.index.v1+json'
  const instance = (name: string, entry: object) => {
    const { digest } = putImage(registry, 'app', undefined, [Buffer.from(name)], { architecture: 'any' })
    const size = 0
    return { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size, ...entry }
  }
  const put = (tag: string, entries: readonly { digest: string }[], sizes = true) => {
    const manifests = entries.map((entry) => ({ ...entry, ...(sizes && { size: sizeOf(entry.digest) }) }))
    registry.putManifest('app', tag, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })), index)
  }
  const sizeOf = (digest: string): number => registry.manifestSize('app', digest)
  const at = (architecture: string, variant?: string) => ({
    platform: { os: 'linux', architecture, ...(variant && { variant }) },
  })
  const entries = [instance('v6', at('arm', 'v6')), instance('v7', at('arm', 'v7')), instance('amd64', at('amd64'))]
  put('multi', entries)
  const pick = async (tag: string, text: string) => {
    const source = await openForTest(t, `docker://${registry.host}/app:${tag}`)
    const { manifest } = await source.manifest({ signal: never, platform: parsePlatform(text) })
    return (await readAll(source.blob(manifest.layers[0], { signal: never }))).toString()
  }
  assert.equal(await pick('multi', 'linux/amd64'), 'amd64')
  assert.equal(await pick('multi', 'linux/arm/v6'), 'v6')
  assert.equal(await pick('multi', 'linux/arm'), 'v7')
  await assert.rejects(
    pick('multi', 'linux/s390x'),
    fails('SLUICE_NOT_FOUND', /available: linux\/arm\/v6, linux\/arm\/v7, linux\/amd64/),
  )
  put('fallback', [...entries, instance('any', {})])
  assert.equal(await pick('fallback', 'linux/s390x'), 'any')
  putImage(registry, 'app', 'foreign', [Buffer.from('foreign')], { architecture: 's390x' })
  assert.equal(await pick('foreign', 'linux/amd64'), 'foreign')
  put(
    'sizes',
    entries.map((entry) => ({ ...entry, size: 7 })),
    false,
  )
  await assert.rejects(pick('sizes', 'linux/amd64'), fails('SLUICE_SIZE_MISMATCH', /Expected size 7/))
  const inner = registry.putManifest('app', undefined, Buffer.from('{"schemaVersion":2,"manifests":[]}'), index)
  put('nested', [{ mediaType: index, digest: inner, ...at('amd64') } as { digest: string }])
  await assert.rejects(pick('nested', 'linux/amd64'), fails('SLUICE_FORMAT', /not that of an image manifest/))
})

test('Docker schema 2 is converted, schema 1 refused', async (t) => {
  const registry = await startRegistry(t)
  const docker = putImage(registry, 'app', 'docker', [Buffer.from('docker layer')], { docker: true })
  const source = await openForTest(t, `docker://${registry.host}/app:docker`)
  const { manifest, convertedFrom, bytes, digest } = await source.manifest({ signal: never })
  assert.equal(convertedFrom, docker.digest)
  assert.equal(digest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  assert.equal(manifest.config.digest, docker.config.digest)
  assert.equal(manifest.layers[0].mediaType, 'application/vnd.oci.image.layer.v1.tar')
  const schema1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
  registry.putManifest('app', 'old', Buffer.from('{"schemaVersion":1,"fsLayers":[]}'), schema1)
  const old = await openForTest(t, `docker://${registry.host}/app:old`)
  await assert.rejects(old.manifest({ signal: never }), fails('SLUICE_UNSUPPORTED', /schema 1/))
})

test('documents that are no documents: HTML with 200 and 404, junk, too much', async (t) => {
  const registry = await startRegistry(t)
  const html = { headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><p>log in' }
  const read = () => openForTest(t, `docker://${registry.host}/app:t`, quick).then((s) => s.manifest({ signal: never }))
  const table: [object, ErrorCode, RegExp][] = [
    [{ status: 200, ...html }, 'SLUICE_HTTP', /200 with an HTML page/],
    [{ status: 404, ...html }, 'SLUICE_NOT_FOUND', /HTML page: this may not be a registry/],
    [{ status: 200, body: '{"schemaVersion":' }, 'SLUICE_FORMAT', /not a JSON document/],
    [{ status: 200, body: ' '.repeat(4 * 1024 * 1024 + 1) }, 'SLUICE_FORMAT', /more than 4194304 bytes/],
    [{ status: 200, body: '{}', headers: { 'content-encoding': 'gzip' } }, 'SLUICE_HTTP', /content encoding gzip/],
    [{ status: 403, body: '{"errors":[{"code":"DENIED","message":"no"}]}' }, 'SLUICE_AUTH', /403: DENIED: no/],
    [{ status: 418 }, 'SLUICE_HTTP', /answered 418/],
  ]
  for (const [fault, code, message] of table) {
    registry.fault({ path: /manifests/, ...fault })
    await assert.rejects(read(), fails(code, message))
  }
})

test('data in descriptors is used if it is right; no blob is asked for', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('layer')])
  const source = await openForTest(t, `docker://${registry.host}/app:t`)
  const { manifest } = await source.manifest({ signal: never })
  const [layer] = manifest.layers as [Descriptor]
  const read = async (data: string) => (await readAll(source.blob({ ...layer, data }, { signal: never }))).toString()
  assert.equal(await read(Buffer.from('layer').toString('base64')), 'layer')
  assert.equal(registry.requestsFor(/blobs/).length, 0)
  for (const wrong of ['LAYER', 'longer than it', '']) {
    assert.equal(await read(Buffer.from(wrong).toString('base64')), 'layer')
  }
  assert.equal(registry.requestsFor(/blobs/).length, 3)
})

test('foreign layers: the registry first, then the addresses, without credentials', async (t) => {
  const registry = await startRegistry(t, { auth: { type: 'basic', username: 'u', password: 'p' } })
  const elsewhere = await startRegistry(t)
  const bytes = noise(1000)
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const blob = elsewhere.putBlob(bytes)
  const url = `${elsewhere.origin}/v2/any/blobs/${blob.digest}`
  const source = await openForTest(t, `docker://${registry.host}/app:t`, {
    credentials: { username: 'u', password: 'p' },
  })
  const descriptor = { mediaType: 'x/y', ...blob, urls: ['ftp://x/y', url.replace('//', '//user:secret@')] }
  assert.ok((await readAll(source.blob(descriptor, { signal: never }))).equals(bytes))
  assert.equal(
    elsewhere.requests.every(({ headers }) => headers.authorization === undefined),
    true,
  )
  assert.deepEqual(
    registry.requestsFor(/blobs/).map(({ status }) => status),
    [404],
  )
})

/** registries.conf in a home of its own. */
function homeWith(t: TestContext, conf: string): string {
  const home = temporaryDirectory(t)
  mkdirSync(join(home, '.config/containers'), { recursive: true })
  writeFileSync(join(home, '.config/containers/registries.conf'), conf)
  return home
}

test('mirrors in order, then the registry; what was started at one place goes on at the next', async (t) => {
  const [broken, mirror, origin] = await Promise.all([startRegistry(t), startRegistry(t), startRegistry(t)])
  const bytes = noise(300_000)
  for (const registry of [mirror, origin]) putImage(registry, 'app', 't', [bytes])
  broken.fault({ path: /./, status: 503, times: Infinity })
  const home = homeWith(
    t,
    `[[registry]]
location = "images.example"
[[registry.mirror]]
location = "${broken.host}"
insecure = true
[[registry.mirror]]
location = "${mirror.host}"
insecure = true
[[registry]]
prefix = "images.example/app"
location = "${origin.host}/app"
insecure = true
[[registry.mirror]]
location = "${broken.host}/app"
insecure = true
[[registry.mirror]]
location = "${mirror.host}/app"
insecure = true
`,
  )
  const source = await openForTest(t, 'docker://images.example/app:t', { home, tlsVerify: undefined as never })
  const { manifest } = await source.manifest({ signal: never, platform })
  assert.equal(origin.requests.length, 0)
  mirror.fault({ path: /blobs/, cutAfter: 100_000 })
  mirror.fault({ path: /blobs/, status: 500, times: Infinity })
  assert.ok((await readAll(source.blob(manifest.layers[0], { signal: never }))).equals(bytes))
  const [resumed] = origin.requestsFor(/blobs/)
  assert.equal(resumed.headers.range, 'bytes=100000-')
  mirror.fault({ path: /manifests/, status: 500, times: Infinity })
  origin.fault({ path: /manifests/, status: 404, times: Infinity })
  await assert.rejects(source.manifest({ signal: never, platform }), (error) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_NOT_FOUND')
    for (const registry of [broken, mirror, origin]) assert.match(error.message, new RegExp(registry.host))
    return true
  })
})

test('a location that leaves no repository is an error of the configuration', async (t) => {
  const home = homeWith(t, '[[registry]]\nprefix = "images.example/app"\nlocation = "other.example"\n')
  await assert.rejects(
    openForTest(t, 'docker://images.example/app:t', { home }),
    fails('SLUICE_CONFIG', /no repository/),
  )
})

test('bare names go through aliases and search registries', async (t) => {
  const [one, two] = await Promise.all([startRegistry(t), startRegistry(t)])
  putImage(two, 'ns/app', 't', [Buffer.from('two')])
  const home = homeWith(
    t,
    `unqualified-search-registries = ["${one.host}/ns", "${two.host}/ns"]
[aliases]
"short" = "${two.host}/ns/app"
`,
  )
  const open = (name: string) => openForTest(t, name, { home, bareNames: true })
  assert.equal(await firstLayer(await open('app:t')), 'two')
  assert.equal(one.requestsFor(/ns\/app\/manifests/).length, 1)
  assert.equal(await firstLayer(await open('short:t')), 'two')
  assert.equal(one.requestsFor(/manifests/).length, 1)
  await assert.rejects(openForTest(t, 'app:t', { home }), fails('SLUICE_USAGE', /Invalid transport/))
})

test('blocked registries and policies stop a pull before any request', async (t) => {
  const registry = await startRegistry(t)
  const home = homeWith(t, `[[registry]]\nlocation = "${registry.host}"\nblocked = true\n`)
  const reference = `docker://${registry.host}/app:t`
  await assert.rejects(openForTest(t, reference, { home }), fails('SLUICE_POLICY', /blocks/))
  const policyFile = join(home, 'policy.json')
  writeFileSync(policyFile, '{"default":[{"type":"signedBy"}]}')
  await assert.rejects(openForTest(t, reference, { policyFile }), fails('SLUICE_POLICY', /signedBy/))
  const etc = temporaryDirectory(t)
  mkdirSync(join(etc, 'containers'))
  writeFileSync(join(etc, 'containers/policy.json'), '{"default":[{"type":"reject"}]}')
  await assert.rejects(openForTest(t, reference, { etc }), fails('SLUICE_POLICY', /rejects/))
  assert.equal(registry.requests.length, 0)
})

test('plain http only for registries marked insecure', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const reference = `docker://${registry.host}/app:t`
  const secure = await openForTest(t, reference, { ...quick, tlsVerify: true })
  await assert.rejects(secure.manifest({ signal: never }), (error) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_NETWORK')
    assert.match(error.hint ?? '', /insecure/)
    return true
  })
  const home = homeWith(t, `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`)
  assert.equal(await firstLayer(await openForTest(t, reference, { home, tlsVerify: undefined as never })), 'x')
  const strict = await openForTest(t, reference, { ...quick, home, tlsVerify: true })
  await assert.rejects(strict.manifest({ signal: never }), fails('SLUICE_NETWORK', /https:/))
})

test('where there is no https, it counts what became of plain http', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const reference = `docker://${registry.host}/app:t`
  registry.fault({ path: /^\/v2\/$/, disconnect: true, times: 2 })
  const once = await openForTest(t, reference, quick)
  await assert.rejects(once.manifest({ signal: never }), fails('SLUICE_NETWORK', / http:/))
  assert.equal(await firstLayer(await openForTest(t, reference)), 'x')
})

test('where https and plain http both fail, why is told of both', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    // A handshake is hung up on, without a word; a request is answered with what is no HTTP.
    socket.once('data', ([first]) => (first === 0x16 ? socket.destroy() : socket.end('SSH-2.0-x\r\n')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const source = await openForTest(t, `docker://127.0.0.1:${port}/app:t`, quick)
  const both = /app:t: https:\/\/[^;]+TLS[^;]+; http:\/\/127\S+: [^;]*HTTP\/1\.1 protocol/
  await assert.rejects(source.manifest({ signal: never }), fails('SLUICE_NETWORK', both))
})

test('https: unknown authorities are refused, certs.d makes them known', async (t) => {
  const tls = makeCertificate()
  if (tls === undefined) return t.skip('no openssl program')
  const registry = await startRegistry(t, { tls })
  putImage(registry, 'app', 't', [Buffer.from('secure')])
  const reference = `docker://${registry.host}/app:t`
  const unknown = await openForTest(t, reference, { tlsVerify: true, retry: { baseDelayMs: 60_000 } })
  const started = performance.now()
  await assert.rejects(unknown.manifest({ signal: never }), (error) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_NETWORK')
    assert.match(error.hint ?? '', /certs\.d/)
    return true
  })
  assert.ok(performance.now() - started < 20_000, 'it is not tried again')
  assert.equal(await firstLayer(await openForTest(t, reference, { tlsVerify: false })), 'secure')
  const certDir = temporaryDirectory(t)
  mkdirSync(join(certDir, registry.host))
  writeFileSync(join(certDir, registry.host, 'ca.crt'), tls.cert)
  assert.equal(await firstLayer(await openForTest(t, reference, { tlsVerify: true, certDir })), 'secure')
  writeFileSync(join(certDir, registry.host, 'client.cert'), tls.cert)
  await assert.rejects(
    openForTest(t, reference, { tlsVerify: true, certDir }).then((s) => s.manifest({ signal: never })),
    fails('SLUICE_CONFIG', /client\.key is missing/),
  )
  writeFileSync(join(certDir, registry.host, 'client.key'), makeCertificate()!.key)
  await assert.rejects(
    openForTest(t, reference, { tlsVerify: true, certDir }).then((s) => s.manifest({ signal: never })),
    fails('SLUICE_CONFIG', /client\.cert and client\.key beside it cannot be used: .*mismatch/),
  )
})

test('https: certificates of a registry are for its token server and its blob store, too, which may have their own', async (t) => {
  const tls = makeCertificate()
  const other = makeCertificate()
  if (tls === undefined || other === undefined) return t.skip('no openssl program')
  const storeWith = async (tls: TestCertificate) => {
    const store = await startRegistry(t, { tls })
    putImage(store, 'app', 't', [Buffer.from('x')])
    return store
  }
  const [tokens, store, ownStore] = await Promise.all([startRegistry(t, { tls }), storeWith(tls), storeWith(other)])
  const registry = await startRegistry(t, { tls, auth: { type: 'bearer', realm: `${tokens.origin}/token` } })
  tokens.fault({ path: /token/, redirect: registry.origin, times: 2 })
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const certDir = temporaryDirectory(t)
  const trust = (host: string, { cert }: TestCertificate): void => {
    mkdirSync(join(certDir, host))
    writeFileSync(join(certDir, host, 'ca.crt'), cert)
  }
  trust(registry.host, tls)
  trust(ownStore.host, other)
  for (const { origin } of [store, ownStore]) {
    registry.fault({ path: /blobs/, redirect: origin, times: 1 })
    const source = await openForTest(t, `docker://${registry.host}/app:t`, { ...quick, tlsVerify: true, certDir })
    assert.equal(await firstLayer(source), 'x')
  }
  for (const { requests } of [tokens, store, ownStore]) assert.notEqual(requests.length, 0)
})

test('https: a certificate in certs.d is trusted though its issuer is not known', async (t) => {
  const issuer = makeCertificate()
  const tls = issuer && makeCertificate(issuer)
  if (tls === undefined) return t.skip('no openssl program')
  const registry = await startRegistry(t, { tls })
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const certDir = temporaryDirectory(t)
  mkdirSync(join(certDir, registry.host))
  writeFileSync(join(certDir, registry.host, 'server.crt'), tls.cert)
  const source = await openForTest(t, `docker://${registry.host}/app:t`, { ...quick, tlsVerify: true, certDir })
  assert.equal(await firstLayer(source), 'x')
})

test('redirects never lead from https down to http', async (t) => {
  const tls = makeCertificate()
  if (tls === undefined) return t.skip('no openssl program')
  const [registry, plain] = await Promise.all([startRegistry(t, { tls }), startRegistry(t)])
  putImage(registry, 'app', 't', [Buffer.from('x')])
  registry.fault({ path: /blobs/, redirect: plain.origin })
  const source = await openForTest(t, `docker://${registry.host}/app:t`)
  await assert.rejects(firstLayer(source), fails('SLUICE_HTTP', /from https down to http/))
  assert.equal(plain.requests.length, 0)
})

/** A proxy that sends everything to `port` here. @param tunnel the status by which it answers CONNECT. */
async function startProxy(t: TestContext, port: number, tunnel = 403): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`)
    const { pathname } = new URL(request.url!)
    const forward = httpRequest({ port, host: '127.0.0.1', path: pathname, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    forward.end()
  })
  server.on('connect', (request, socket: Socket) => {
    socket.on('error', () => undefined)
    if (tunnel !== 200) return void socket.end(`HTTP/1.1 ${tunnel} No\r\n\r\n`)
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`)
    const onward = connect(port, '127.0.0.1', () => void socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.on('error', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    onward.pipe(socket).pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => void server.close(resolve)))
  t.after(() => server.closeAllConnections())
  return { url: `http://us%40er:pw@127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('proxies from the environment', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('proxied')])
  const proxy = await startProxy(t, Number(registry.host.split(':')[1]))
  const source = await openForTest(t, 'docker://registry.invalid/app:t', {
    env: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url },
    ...quick,
  })
  assert.equal(await firstLayer(source), 'proxied')
  const credentials = `Basic ${Buffer.from('us@er:pw').toString('base64')}`
  assert.equal(proxy.asked[0], `GET http://registry.invalid/v2/ ${credentials}`)
  assert.equal(proxy.asked.length, 3)
})

test('https goes through a tunnel of the proxy', async (t) => {
  const tls = makeCertificate()
  if (tls === undefined) return t.skip('no openssl program')
  const registry = await startRegistry(t, { tls })
  putImage(registry, 'app', 't', [Buffer.from('tunnelled')])
  const open = async (status: number) => {
    const proxy = await startProxy(t, Number(registry.host.split(':')[1]), status)
    const env = { HTTPS_PROXY: proxy.url }
    return { proxy, source: await openForTest(t, 'docker://registry.invalid/app:t', { env, ...quick }) }
  }
  const { proxy, source } = await open(200)
  assert.equal(await firstLayer(source), 'tunnelled')
  const credentials = `Basic ${Buffer.from('us@er:pw').toString('base64')}`
  assert.equal(proxy.asked[0], `CONNECT registry.invalid:443 ${credentials}`)
  const refusing = await open(407)
  await assert.rejects(refusing.source.manifest({ signal: never }), (error) => {
    assert.ok(error instanceof SluiceError)
    // Plain http, which is tried next without verification, is no way round.
    assert.match(`${error.message} ${error.hint}`, /proxy|registry\.invalid/)
    return error.code === 'SLUICE_NETWORK'
  })
})

test('who wants a password where it is looked for, and none for images, is asked for images', async (t) => {
  for (const challenge of ['Basic realm="r"', 'Negotiate', undefined]) {
    const registry = await startRegistry(t)
    putImage(registry, 'app', 't', [Buffer.from('open')])
    const headers = challenge === undefined ? {} : { 'www-authenticate': challenge }
    registry.fault({ path: /^\/v2\/$/, status: 401, headers, times: Infinity })
    assert.equal(await firstLayer(await openForTest(t, `docker://${registry.host}/app:t`)), 'open')
    registry.fault({ path: /manifests/, status: 401, headers, times: Infinity })
    const source = await openForTest(t, `docker://${registry.host}/app:t`)
    await assert.rejects(source.manifest({ signal: never }), fails('SLUICE_AUTH', /wants/))
  }
})

test('a mirror that is no host is passed over', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('from the registry')])
  for (const mirror of ['mirror.1', '127.0.0.1:77777']) {
    const home = homeWith(
      t,
      `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n[[registry.mirror]]\nlocation = "${mirror}"\n`,
    )
    assert.equal(
      await firstLayer(await openForTest(t, `docker://${registry.host}/app:t`, { home })),
      'from the registry',
    )
  }
})

test('a content encoding that is none is none', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('x')])
  for (const encoding of ['', 'identity, Identity', 'aws-chunked', 'utf-8']) {
    const source = await openForTest(t, `docker://${registry.host}/app:t`, quick)
    const { manifest } = await source.manifest({ signal: never, platform })
    registry.fault({ path: /blobs/, status: 200, headers: { 'content-encoding': encoding }, body: 'x' })
    assert.equal((await readAll(source.blob(manifest.layers[0], { signal: never }))).toString(), 'x')
  }
})

test('a blob that comes compressed is refused for that, whatever its length', async (t) => {
  const registry = await startRegistry(t)
  putImage(registry, 'app', 't', [Buffer.from('x')])
  const source = await openForTest(t, `docker://${registry.host}/app:t`, quick)
  const { manifest } = await source.manifest({ signal: never, platform })
  for (const encoding of ['gzip', 'aws-chunked, GZIP']) {
    registry.fault({ path: /blobs/, status: 200, headers: { 'content-encoding': encoding }, body: 'longer' })
    const blob = readAll(source.blob(manifest.layers[0], { signal: never }))
    await assert.rejects(blob, fails('SLUICE_HTTP', /content encoding gzip/))
  }
})
