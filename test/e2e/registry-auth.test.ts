/** Authorization against a registry on loopback (oci.md §11, practice.md trap 3). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import type { ImageSourceOptions } from '../../src/stages/fetch/open.js'
import { sluice } from '../helpers/cli.js'
import { layerTar, serveImage } from '../helpers/pull.js'
import { never, openForTest, readAll, startRegistry } from '../helpers/registry-client.js'
import { noise, putImage } from '../helpers/registry-images.js'
import type { TestRegistry } from '../helpers/registry.js'
import type { RegistryAuth } from '../helpers/registry-auth.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const password = 'pass:word&secret'
const account = { username: 'user', password }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function registryWith(t: TestContext, auth: RegistryAuth): Promise<TestRegistry> {
  const registry = await startRegistry(t, { auth })
  putImage(registry, 'ns/app', 't', [Buffer.from('one'), Buffer.from('two'), noise(200_000)])
  return registry
}

async function pullAll(t: TestContext, registry: TestRegistry, options: ImageSourceOptions = {}): Promise<void> {
  const source = await openForTest(t, `docker://${registry.host}/ns/app:t`, options)
  const { manifest } = await source.manifest({ signal: never })
  await Promise.all(manifest.layers.map((layer) => readAll(source.blob(layer, { signal: never }))))
}

/** The user names and passwords that Basic authorization brought to a registry. */
function accountsSentTo(registry: TestRegistry): string[] {
  const sent = registry.requests.flatMap(({ headers }) => headers.authorization ?? [])
  return [...new Set(sent.map((header) => Buffer.from(header.replace('Basic ', ''), 'base64').toString()))]
}

/** Fails with `SLUICE_AUTH`, exit status 3, and no secret in anything that could be printed. */
function refused(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.code, 'SLUICE_AUTH')
    assert.equal(error.exitStatus, 3)
    assert.match(error.message, message)
    const printed = JSON.stringify([error.message, error.hint, error.details, error.stack, String(error.cause)])
    for (const secret of [password, base64(`user:${password}`)]) {
      assert.equal(printed.includes(secret), false)
    }
    return true
  }
}

test('Basic: on every request after the challenge', async (t) => {
  const registry = await registryWith(t, { type: 'basic', ...account })
  await pullAll(t, registry, { credentials: account })
  const statuses = registry.requests.map(({ url, status }) => `${status} ${url.replace(/sha256:.*/, '…')}`)
  assert.deepEqual(statuses.slice(0, 2), ['401 /v2/', '200 /v2/ns/app/manifests/t'])
  assert.equal(registry.requests.length, 5)
  await assert.rejects(pullAll(t, registry), refused(/wants a user name and a password/))
  await assert.rejects(
    pullAll(t, registry, { credentials: { ...account, username: 'other' } }),
    refused(/401: UNAUTHORIZED/),
  )
})

test('credentials that were stated go to the registry of the name alone', async (t) => {
  const [origin, mirror] = await Promise.all([1, 2].map(() => registryWith(t, { type: 'basic', ...account })))
  const home = temporaryDirectory(t)
  mkdirSync(join(home, '.config/containers'), { recursive: true })
  const configure = (conf: string): void => writeFileSync(join(home, '.config/containers/registries.conf'), conf)
  const mirrored = `[[registry]]\nlocation = "${origin.host}"\n[[registry.mirror]]\nlocation = "${mirror.host}"\n`
  configure(mirrored)
  await pullAll(t, origin, { home, credentials: account })
  assert.notEqual(mirror.requests.length, 0)
  assert.deepEqual(accountsSentTo(mirror), [])
  assert.deepEqual(accountsSentTo(origin), [`user:${password}`])

  configure(`[[registry]]\nprefix = "${origin.host}"\nlocation = "${mirror.host}"\n`)
  await assert.rejects(pullAll(t, origin, { home, credentials: account }), refused(/wants a user name/))
  assert.deepEqual(accountsSentTo(mirror), [])

  // What the files have for a mirror is for that mirror.
  configure(mirrored)
  const authFile = join(home, 'auth.json')
  writeFileSync(authFile, JSON.stringify({ auths: { [mirror.host]: { auth: base64(`user:${password}`) } } }))
  await pullAll(t, origin, { home, authFile, credentials: { username: 'other', password: 'x' } })
  assert.deepEqual(accountsSentTo(mirror), [`user:${password}`])
  await pullAll(t, mirror, { authFile, credentials: { username: '', password: '' } })
})

test('Bearer, anonymous: one token for all requests at a time', async (t) => {
  const registry = await registryWith(t, { type: 'bearer' })
  await pullAll(t, registry)
  const { tokenRequests } = registry.guard!
  assert.equal(tokenRequests.length, 1)
  assert.deepEqual(
    [...tokenRequests[0]],
    [
      ['service', 'test "registry"'],
      ['scope', 'repository:ns/app:pull'],
    ],
  )
})

test('Bearer with a password, from an auth file', async (t) => {
  const registry = await registryWith(t, { type: 'bearer', ...account })
  const authFile = join(temporaryDirectory(t), 'auth.json')
  const entry = { auth: base64(`user:${password}`) }
  writeFileSync(authFile, JSON.stringify({ auths: { [`${registry.host}/ns`]: entry } }))
  await pullAll(t, registry, { authFile })
  assert.equal(registry.guard!.tokenRequests[0].get('account'), 'user')
  await pullAll(t, registry, { env: { REGISTRY_AUTH_FILE: authFile } })
  await assert.rejects(pullAll(t, registry), refused(/token: .*\/token\?.* answered 401/))
  await assert.rejects(pullAll(t, registry, { credentials: { ...account, username: 'x' } }), refused(/answered 401/))
})

test('Bearer: what is empty is not sent, nor half of a password', async (t) => {
  const registry = await registryWith(t, { type: 'bearer', parameters: 'service="",scope=""' })
  const authFile = join(temporaryDirectory(t), 'auth.json')
  for (const half of ['user:', ':pw']) {
    writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { auth: base64(half) } } }))
    await pullAll(t, registry, { authFile })
  }
  for (const parameters of registry.guard!.tokenRequests) {
    assert.deepEqual([...parameters], [['scope', 'repository:ns/app:pull']])
  }
  const asked = registry.requestsFor(/token/).map(({ headers }) => headers.authorization)
  assert.deepEqual(asked, [undefined, undefined])
})

test('identity tokens are posted', async (t) => {
  const registry = await registryWith(t, {
    type: 'bearer',
    username: 'nobody',
    password: 'x',
    identityToken: 'refresh me',
  })
  const authFile = join(temporaryDirectory(t), 'auth.json')
  writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { identitytoken: 'refresh me' } } }))
  await pullAll(t, registry, { authFile })
  assert.equal(registry.requestsFor(/token/)[0].method, 'POST')
  assert.deepEqual(Object.fromEntries(registry.guard!.tokenRequests[0]), {
    service: 'test "registry"',
    grant_type: 'refresh_token',
    refresh_token: 'refresh me',
    scope: 'repository:ns/app:pull',
    client_id: 'sluice',
  })
})

test('several challenges: the one that is known is taken; none is named in the error', async (t) => {
  const prefix = 'Negotiate, Digest realm="x", '
  await pullAll(t, await registryWith(t, { type: 'bearer', prefix }))
  const registry = await startRegistry(t)
  registry.fault({ path: /v2/, status: 401, headers: { 'www-authenticate': 'Negotiate' }, times: Infinity })
  await assert.rejects(pullAll(t, registry), refused(/no known scheme \(offered: negotiate\)/))
})

test('a token is renewed before it expires, and once when it is refused', async (t) => {
  const registry = await registryWith(t, { type: 'bearer' })
  const source = await openForTest(t, `docker://${registry.host}/ns/app:t`)
  const { manifest } = await source.manifest({ signal: never })
  const { tokenRequests } = registry.guard!
  await readAll(source.blob(manifest.layers[0], { signal: never }))
  assert.equal(tokenRequests.length, 1)
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + 51_000)
  await readAll(source.blob(manifest.layers[0], { signal: never }))
  assert.equal(tokenRequests.length, 2)
  assert.equal(registry.requestsFor(/v2/).filter(({ status }) => status === 401).length, 1)
  registry.guard!.revokeTokens()
  await readAll(source.blob(manifest.layers[0], { signal: never }))
  assert.equal(tokenRequests.length, 3)
})

test('tokens as some servers give them', async (t) => {
  for (const expires_in of [0, -1, 1, null, undefined, 300, '300', 'soon', {}]) {
    const answer = (token: string) => ({ token: '', access_token: token, expires_in })
    const registry = await registryWith(t, { type: 'bearer', answer })
    await pullAll(t, registry)
    // Not one for every request: no token lives less than a minute.
    assert.equal(registry.guard!.tokenRequests.length, 1, `expires_in ${JSON.stringify(expires_in)}`)
  }
  const registry = await registryWith(t, { type: 'bearer' })
  registry.fault({ path: /token/, status: 200, body: '{"token":"x","expires_in":60,"expires_in":300}' })
  await pullAll(t, registry)
})

test('a token that expires in the middle of a blob', async (t) => {
  const registry = await registryWith(t, { type: 'bearer' })
  const source = await openForTest(t, `docker://${registry.host}/ns/app:t`)
  const { manifest } = await source.manifest({ signal: never })
  registry.fault({ path: /blobs/, cutAfter: 70_000 })
  const pieces: Uint8Array[] = []
  for await (const piece of source.blob(manifest.layers[2], { signal: never })) {
    if (pieces.length === 0) registry.guard!.revokeTokens()
    pieces.push(piece)
  }
  assert.ok(Buffer.concat(pieces).equals(noise(200_000)))
  const [first, refusedOne, resumed] = registry.requestsFor(/blobs/)
  assert.deepEqual([first.status, refusedOne.status, resumed.status], [200, 401, 206])
  assert.notEqual(first.headers.authorization, resumed.headers.authorization)
})

test('a registry that refuses every token is asked a few times, not for ever', async (t) => {
  const registry = await registryWith(t, { type: 'bearer', expiresIn: 0 })
  await assert.rejects(pullAll(t, registry), refused(/answered 401/))
  assert.ok(registry.requests.length < 12, String(registry.requests.length))
})

test('a blob redirected to another host: the authorization stays here', async (t) => {
  const registry = await registryWith(t, { type: 'bearer', ...account })
  const cdn = await startRegistry(t)
  const blob = cdn.putBlob(noise(200_000))
  const source = await openForTest(t, `docker://${registry.host}/ns/app:t`, { credentials: account })
  const { manifest } = await source.manifest({ signal: never })
  const signed = `${cdn.origin}/v2/x/blobs/${blob.digest}?X-Amz-Signature=hunter22`
  registry.fault({ path: /blobs/, redirect: signed, times: Infinity })
  cdn.fault({ path: /blobs/, cutAfter: 100_000 })
  // A refusal by the blob store means an address that has expired; the registry gives a new one.
  cdn.fault({ path: /blobs/, status: 403 })
  assert.ok((await readAll(source.blob(manifest.layers[2], { signal: never }))).equals(noise(200_000)))
  assert.equal(
    registry.requestsFor(/blobs/).every(({ headers }) => headers.authorization?.startsWith('Bearer ')),
    true,
  )
  assert.deepEqual(
    cdn.requests.map(({ status }) => status),
    [200, 403, 206],
  )
  assert.equal(
    cdn.requests.every(({ headers }) => headers.authorization === undefined),
    true,
  )
  cdn.fault({ path: /blobs/, status: 404 })
  await assert.rejects(readAll(source.blob(manifest.layers[2], { signal: never })), (error) => {
    assert.ok(error instanceof SluiceError && error.code === 'SLUICE_NOT_FOUND')
    assert.equal(JSON.stringify([error.message, error.stack, String(error.cause)]).includes('hunter22'), false)
    return true
  })
  registry.fault({ path: /blobs/, redirect: registry.origin })
})

test('a redirect on the same host keeps the authorization', async (t) => {
  const registry = await registryWith(t, { type: 'basic', ...account })
  const source = await openForTest(t, `docker://${registry.host}/ns/app:t`, { credentials: account })
  const { manifest } = await source.manifest({ signal: never })
  registry.fault({ path: /blobs/, redirect: registry.origin })
  assert.equal((await readAll(source.blob(manifest.layers[0], { signal: never }))).toString(), 'one')
  registry.fault({ path: /blobs/, redirect: registry.origin, times: Infinity })
  await assert.rejects(
    readAll(source.blob(manifest.layers[0], { signal: never })),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_HTTP' && /more than 10 times/.test(error.message),
  )
})

test('what a server repeats of the secrets that it got is not told', async (t) => {
  const said = (...words: (string | undefined)[]) =>
    JSON.stringify({ errors: [{ code: 'DENIED', message: `no: ${words.join(', ')}` }] })
  const basic = await registryWith(t, { type: 'basic', ...account })
  const body = said(base64(`user:${password}`), password)
  basic.fault({ path: /manifests/, status: 403, body, times: Infinity })
  await assert.rejects(pullAll(t, basic, { credentials: account }), refused(/403: DENIED: no: \*\*\*, \*\*\*$/))

  const bearer = await registryWith(t, { type: 'bearer', ...account, answer: () => ({ token: 'SECRETTOKEN' }) })
  bearer.fault({ path: /manifests/, status: 403, body: said('SECRETTOKEN') })
  await assert.rejects(pullAll(t, bearer, { credentials: account }), refused(/403: DENIED: no: \*\*\*$/))
  bearer.fault({ path: /token/, status: 403, body: said(password) })
  await assert.rejects(pullAll(t, bearer, { credentials: account }), refused(/403: DENIED: no: \*\*\*$/))
  bearer.fault({ path: /token/, status: 403, body: said('refresh me') })
  const authFile = join(temporaryDirectory(t), 'auth.json')
  writeFileSync(authFile, JSON.stringify({ auths: { [bearer.host]: { identitytoken: 'refresh me' } } }))
  await assert.rejects(pullAll(t, bearer, { authFile }), refused(/403: DENIED: no: \*\*\*$/))
})

test('token servers that misbehave', async (t) => {
  const registry = await registryWith(t, { type: 'bearer' })
  const quick = { retry: { tries: 2 } }
  registry.fault({ path: /token/, status: 200, body: '<html>' })
  await assert.rejects(
    pullAll(t, registry, quick),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_HTTP' && /HTML page/.test(error.message),
  )
  registry.fault({ path: /token/, status: 200, body: '{}' })
  await assert.rejects(pullAll(t, registry, quick), refused(/without a token/))
  for (const token of ['SECRET\nX-Evil: 1', '\u20ac', ' ', 5]) {
    const before = registry.requests.length
    registry.fault({ path: /token/, status: 200, body: JSON.stringify({ token }) })
    await assert.rejects(pullAll(t, registry, quick), refused(/\/token\?.* without a token that can be sent$/))
    assert.equal(registry.requests.length, before + 2)
  }
  registry.fault({ path: /token/, status: 404 })
  await assert.rejects(
    pullAll(t, registry, quick),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_HTTP' && /\/token\?.* 404/.test(error.message),
  )
  registry.fault({ path: /token/, status: 503 })
  await pullAll(t, registry, quick)
  const down = await registryWith(t, { type: 'bearer' })
  down.fault({ path: /token/, status: 503, times: Infinity })
  await assert.rejects(
    pullAll(t, down, { retry: { tries: 3 } }),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_HTTP' && /\/token\?.* 503/.test(error.message),
  )
  assert.equal(down.requestsFor(/token/).length, 3)
  const noRealm = await registryWith(t, { type: 'bearer', realm: 'ftp://x/token' })
  await assert.rejects(pullAll(t, noRealm), refused(/not reached by https/))
})

test('an empty REGISTRY_AUTH_FILE is as good as none', async (t) => {
  const registry = await startRegistry(t, { auth: { type: 'bearer' } })
  serveImage(registry, 'v1', [layerTar('layer', [100])])
  const repo = ['--repo', join(temporaryDirectory(t), 'repo'), '--insecure']
  const reference = ['--platform', 'linux/amd64', `docker://${registry.host}/app:v1`]
  const pull = (file: string) =>
    sluice([...repo, 'pull', '--no-tls-verify', ...reference], { env: { REGISTRY_AUTH_FILE: file } })
  const { status, stderr } = await pull('')
  assert.equal(status, 0, stderr)
  assert.equal((await pull('/nonexistent')).status, 2)
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} ends the process while a credential helper hangs`, async (t) => {
    const registry = await registryWith(t, { type: 'basic', ...account })
    const home = temporaryDirectory(t)
    const helper = join(home, 'docker-credential-hangs')
    writeFileSync(helper, `#!/bin/sh\ntouch '${home}/asked'\nsleep 60\n`)
    chmodSync(helper, 0o755)
    writeFileSync(join(home, 'auth.json'), JSON.stringify({ credHelpers: { [registry.host]: 'hangs' } }))
    const options = ['--repo', join(home, 'repo'), '--insecure']
    const pull = [
      'pull',
      '--no-tls-verify',
      '--authfile',
      join(home, 'auth.json'),
      `docker://${registry.host}/ns/app:t`,
    ]
    const child = spawn(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...options, ...pull], {
      env: { PATH: `${home}:${process.env['PATH']}`, HOME: home },
      stdio: 'ignore',
    })
    const closed = once(child, 'close')
    while (!existsSync(join(home, 'asked')) && child.exitCode === null) await sleep(20)
    const began = performance.now()
    child.kill(signal)
    assert.deepEqual(await closed, [status, null])
    assert.ok(performance.now() - began < 20_000)
  })
}
