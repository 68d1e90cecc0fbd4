import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import { askCredentialHelper } from '../../src/stages/fetch/registry/credential-helper.js'
import { CredentialStore, type CredentialOptions } from '../../src/stages/fetch/registry/credentials.js'
import { never } from '../helpers/registry-client.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A home with these files; paths are relative to it. */
function makeHome(t: TestContext, files: Readonly<Record<string, unknown>>): string {
  const home = temporaryDirectory(t)
  for (const [path, content] of Object.entries(files)) {
    const full = join(home, path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return home
}

function storeIn(home: string, options: Partial<CredentialOptions> = {}): CredentialStore {
  const environment = { XDG_RUNTIME_DIR: join(home, 'run'), ...options.environment }
  return new CredentialStore({ home, uid: 4_000_000_000, lifetime: never, ...options, environment })
}

async function userFor(store: CredentialStore, host: string, path: string): Promise<string | undefined> {
  const found = await store.find(host, path)
  return found === undefined
    ? undefined
    : 'username' in found
      ? `${found.username}:${found.password}`
      : `token ${found.identityToken}`
}

test('the longest key that covers the repository wins', async (t) => {
  const auth = (user: string) => ({ auth: base64(`${user}:pw:with:colons`) })
  const home = makeHome(t, {
    'run/containers/auth.json': {
      auths: {
        'quay.io': auth('host'),
        'quay.io/ns': auth('namespace'),
        'quay.io/ns/repo': auth('repository'),
        'https://legacy.example/v1/': auth('legacy'),
        'other.example:5000': auth('port'),
        'https://index.docker.io/v1/': auth('hub'),
      },
    },
  })
  const store = storeIn(home)
  const table: [string, string, string | undefined][] = [
    ['quay.io', 'ns/repo', 'repository'],
    ['quay.io', 'ns/repo/sub', 'repository'],
    ['quay.io', 'ns/other', 'namespace'],
    ['quay.io', 'nsx/other', 'host'],
    ['legacy.example', 'x', 'legacy'],
    ['other.example:5000', 'x', 'port'],
    ['other.example', 'x', undefined],
    ['docker.io', 'library/debian', 'hub'],
  ]
  for (const [host, path, user] of table) {
    assert.equal(await userFor(store, host, path), user && `${user}:pw:with:colons`, `${host}/${path}`)
  }
})

test('keys in any case; one that is a host goes before one that is a URL of it', async (t) => {
  const home = makeHome(t, {
    'run/containers/auth.json': {
      Auths: {
        'h.example': { Auth: base64('plain:p') },
        'https://h.example/v1/': { auth: base64('url:p') },
        'i.example': {},
        'https://i.example/v1/': { IdentityToken: 'refresh' },
      },
      credhelpers: { 'j.example': 'lower' },
    },
  })
  mkdirSync(join(home, 'bin'))
  const helper = join(home, 'bin/docker-credential-lower')
  writeFileSync(helper, `#!/bin/sh\necho '{"username":"u","secret":"s"}'\n`)
  chmodSync(helper, 0o755)
  const store = storeIn(home, { environment: { PATH: `${join(home, 'bin')}:${process.env['PATH']}` } })
  assert.equal(await userFor(store, 'h.example', 'x'), 'plain:p')
  assert.equal(await userFor(store, 'i.example', 'x'), 'token refresh')
  assert.equal(await userFor(store, 'j.example', 'x'), 'u:s')
})

test('files in order; empty entries and empty files hide nothing', async (t) => {
  const entry = (user: string) => ({ auths: { 'h.example': { auth: base64(`${user}:p`) } } })
  const files = {
    'explicit.json': { auths: {} },
    'run/containers/auth.json': { auths: { 'h.example': {}, 'i.example': { auth: '' } } },
    '.config/containers/auth.json': '',
    '.docker/config.json': entry('docker'),
    '.dockercfg': { 'h.example': { auth: base64('cfg:p') }, 'only.example': { auth: base64('cfg:p') } },
  }
  const home = makeHome(t, files)
  const environment = { REGISTRY_AUTH_FILE: join(home, 'explicit.json') }
  assert.equal(await userFor(storeIn(home, { environment }), 'h.example', 'x'), 'docker:p')
  assert.equal(await userFor(storeIn(home), 'only.example', 'x'), 'cfg:p')
  assert.equal(await userFor(storeIn(home), 'i.example', 'x'), undefined)
  writeFileSync(join(home, 'explicit.json'), JSON.stringify(entry('stated')))
  assert.equal(await userFor(storeIn(home, { environment }), 'h.example', 'x'), 'stated:p')
  assert.equal(await userFor(storeIn(home, { authFile: join(home, 'explicit.json') }), 'h.example', 'x'), 'stated:p')
})

test('identity tokens, and user and password in plain', async (t) => {
  const auths = { 'a.example': { identitytoken: 'refresh' }, 'b.example': { username: 'u', password: 'p' } }
  const home = makeHome(t, { '.docker/config.json': { auths } })
  assert.equal(await userFor(storeIn(home), 'a.example', 'x'), 'token refresh')
  assert.equal(await userFor(storeIn(home), 'b.example', 'x'), 'u:p')
})

test('unusable files are named, their content is not', async (t) => {
  const home = makeHome(t, {
    'secret.json': '{"auths": {"h": {"auth": hunter22}}}',
    'bad.json': { auths: { h: { auth: 'aHVudGVyMjI=' } } },
  })
  for (const file of ['secret.json', 'bad.json', 'missing.json']) {
    await assert.rejects(storeIn(home, { authFile: join(home, file) }).find('h', 'x'), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'SLUICE_CONFIG')
      assert.match(error.message, new RegExp(file))
      assert.doesNotMatch(JSON.stringify([error.message, String(error.cause)]), /hunter22|aHVudGVy/)
      return true
    })
  }
})

test('what is wrong elsewhere hides no credentials', async (t) => {
  const good = { auth: base64('user:p') }
  const auths = { 'h.example': good, 'i.example/ns': good, 'i.example': { auth: 'bm9jb2xvbg==' } }
  const home = makeHome(t, {
    'run/containers/auth.json': { auths: { ...auths, 'x.example': { auth: '!!!' } }, credsStore: 'not-installed' },
    '.docker/config.json': '{bad',
  })
  const store = storeIn(home)
  const config = (message: RegExp) => (error: unknown) =>
    error instanceof SluiceError && error.code === 'SLUICE_CONFIG' && message.test(error.message)
  assert.equal(await userFor(store, 'h.example', 'x'), 'user:p')
  assert.equal(await userFor(store, 'i.example', 'ns/x'), 'user:p')
  await assert.rejects(store.find('i.example', 'x'), config(/i\.example: auth is not/))
  await assert.rejects(store.find('x.example', 'x'), config(/x\.example: auth is not/))
  // Looked for in all files.
  await assert.rejects(store.find('nowhere.example', 'x'), config(/config\.json is not JSON/))
})

test('a helper that is not installed: none for all hosts, an error for the host that it is for', async (t) => {
  const credHelpers = { 'own.example': 'not-installed' }
  const home = makeHome(t, {
    '.docker/config.json': { credsStore: 'not-installed', credHelpers },
    '.dockercfg': { 'h.example': { auth: base64('cfg:p') } },
  })
  const store = storeIn(home)
  assert.equal(await userFor(store, 'nowhere.example', 'x'), undefined)
  assert.equal(await userFor(store, 'h.example', 'x'), 'cfg:p')
  await assert.rejects(
    store.find('own.example', 'x'),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_CONFIG' && /not-installed/.test(error.message),
  )
})

/** Writes a helper; gives an environment in which it is found. */
function installHelper(home: string, name: string, script: string): { PATH: string } {
  const bin = join(home, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}`)
  chmodSync(join(bin, `docker-credential-${name}`), 0o755)
  return { PATH: `${bin}:${process.env['PATH']}` }
}

/** A helper that logs each call, and answers for `known.example`. */
function writeHelper(home: string, name: string, user: string): void {
  installHelper(
    home,
    name,
    `read -r server
echo "$1 $server" >> "${home}/calls"
case "$server" in
  known.example|https://index.docker.io/v1/) printf '{"ServerURL":"%s","Username":"${user}","Secret":"s3cret"}' "$server" ;;
  broken.example) echo 'keyring is locked'; exit 1 ;;
  garbage.example) echo 's3cret not json' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`,
  )
}

/** Waits until the processes that helpers wrote down have ended. */
async function assertEnded(home: string): Promise<void> {
  for (const pid of readFileSync(join(home, 'children'), 'utf8').trim().split('\n')) {
    const isThere = () =>
      existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    for (let i = 0; isThere() && i < 100; i++) await sleep(20)
    assert.equal(isThere(), false, `process ${pid}`)
  }
}

test('a helper that hangs is ended with what it started, when its time is over or the source is closed', async (t) => {
  const home = temporaryDirectory(t)
  const environment = installHelper(home, 'hangs', `sleep 300 &\necho $! >> '${home}/children'\nwait\n`)
  const ask = (signal: AbortSignal, timeoutMs: number) =>
    askCredentialHelper('hangs', 'h.example', environment, signal, timeoutMs)
  await assert.rejects(
    ask(never, 500),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_AUTH' &&
      error.message === 'docker-credential-hangs failed for h.example: no answer in 0.5 s',
  )
  await assertEnded(home)
  const controller = new AbortController()
  const helpers = ['hangs']
  const found = storeIn(home, { environment, helpers, lifetime: controller.signal }).find('h.example', 'x')
  while (readFileSync(join(home, 'children'), 'utf8').split('\n').length < 3) await sleep(20)
  controller.abort()
  await assert.rejects(found, (error) => error instanceof SluiceError && error.code === 'SLUICE_CANCELLED')
  await assertEnded(home)
})

test('what a helper leaves behind is not waited for', async (t) => {
  const home = temporaryDirectory(t)
  const script = `sleep 30 &\nprintf '{"Username":"u","Secret":"p"}'\n`
  const began = performance.now()
  const found = await askCredentialHelper('agent', 'h.example', installHelper(home, 'agent', script), never)
  assert.deepEqual(found, { username: 'u', password: 'p' })
  assert.ok(performance.now() - began < 15_000)
})

test('credential helpers: per host and for all, one call for each server', async (t) => {
  const home = makeHome(t, {
    '.docker/config.json': {
      credsStore: 'all',
      credHelpers: { 'known.example': 'one' },
      auths: { 'unknown.example': { auth: base64('file:p') } },
    },
  })
  writeHelper(home, 'one', 'user')
  writeHelper(home, 'all', '<token>')
  const environment = { PATH: `${join(home, 'bin')}:${process.env['PATH']}` }
  const store = storeIn(home, { environment })
  const answers = await Promise.all([1, 2, 3].map(() => userFor(store, 'known.example', 'x')))
  assert.deepEqual(answers, ['user:s3cret', 'user:s3cret', 'user:s3cret'])
  assert.equal(await userFor(store, 'docker.io', 'library/x'), 'token s3cret')
  assert.equal(await userFor(store, 'unknown.example', 'x'), 'file:p')
  assert.equal(await userFor(store, 'nowhere.example', 'x'), undefined)
  assert.equal(await userFor(store, 'nowhere.example', 'y'), undefined)
  assert.equal(
    readFileSync(join(home, 'calls'), 'utf8'),
    'get known.example\nget https://index.docker.io/v1/\nget nowhere.example\n',
  )
  for (const [host, message] of [
    ['broken.example', /keyring is locked/],
    ['garbage.example', /not JSON/],
  ] as const) {
    await assert.rejects(store.find(host, 'x'), (error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_AUTH')
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /s3cret/)
      return true
    })
  }
})

test('helpers named by registries.conf come in its order; names with a path are refused', async (t) => {
  const home = makeHome(t, { '.docker/config.json': { auths: { 'known.example': { auth: base64('file:p') } } } })
  writeHelper(home, 'pass', 'helper')
  const environment = { PATH: `${join(home, 'bin')}:${process.env['PATH']}` }
  const find = (...helpers: string[]) => userFor(storeIn(home, { environment, helpers }), 'known.example', 'x')
  assert.equal(await find('pass', 'containers-auth.json'), 'helper:s3cret')
  assert.equal(await find('containers-auth.json', 'pass'), 'file:p')
  await assert.rejects(find('../evil'), (error) => error instanceof SluiceError && error.code === 'SLUICE_CONFIG')
  await assert.rejects(find('absent'), (error) => error instanceof SluiceError && error.code === 'SLUICE_CONFIG')
  assert.equal(existsSync(join(home, 'calls')), true)
})
