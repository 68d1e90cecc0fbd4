/** registries.conf, policy.json, proxies, challenges, retry times: what is decided without a network. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { RetryBudget, retryPolicy } from '../../src/flow/retry.js'
import { completeName, formatRegistryName, parseNameParts } from '../../src/formats/oci/registry-name.js'
import { enforcePolicy, parsePolicy, pathScopes, registryScopes } from '../../src/stages/fetch/policy.js'
import { parseChallenges } from '../../src/stages/fetch/registry/challenge.js'
import { endpointsOf, resolveShortName } from '../../src/stages/fetch/registry/endpoints.js'
import { parseRetryAfter } from '../../src/stages/fetch/http/errors.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { loadRegistriesConf } from '../../src/stages/fetch/registry/load-registries-conf.js'
import { proxyFor } from '../../src/stages/fetch/http/proxy.js'
import { emptyRegistriesConf, parseRegistriesConf } from '../../src/stages/fetch/registry/registries-conf.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const sha256 = `sha256:${'ab'.repeat(32)}`
const name = (text: string) => completeName(parseNameParts(text))

function fails(code: ErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof SluiceError && error.code === code && (message?.test(error.message) ?? true)
}

const conf = parseRegistriesConf(
  `
unqualified-search-registries = ["one.example", "two.example/ns"]
[aliases]
"fedora" = "registry.fedoraproject.org/fedora"
[[registry]]
location = "mirrored.example"
[[registry.mirror]]
location = "m1.example/cache"
insecure = true
[[registry.mirror]]
location = "m2.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m3.example"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "mirrored.example/private"
location = "internal.example:5000/p"
insecure = true
[[registry]]
prefix = "*.corp.example"
location = "corp.example:8443"
[[registry]]
prefix = "bad.example"
blocked = true
[[registry]]
location = "strict.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m4.example"
[[registry]]
prefix = "docker.io"
location = "hub-mirror.example"
`,
  'registries.conf',
)

test('keys in any case, and numbers of any size', () => {
  const odd = parseRegistriesConf(
    `
Unqualified-Search-Registries = ["one.example"]
number = 9223372036854775807
[Aliases]
"Name" = "one.example/a"
[[Registry]]
Location = "bad.example"
Blocked = true
[[Registry.Mirror]]
LOCATION = "m.example"
`,
    'registries.conf',
  )
  assert.deepEqual(odd.searchRegistries, ['one.example'])
  assert.deepEqual([...odd.aliases], [['Name', 'one.example/a']])
  const rule = odd.rules.get('bad.example')
  assert.equal(rule?.blocked, true)
  assert.deepEqual(
    rule.mirrors.map(({ location }) => location),
    ['m.example'],
  )
  assert.throws(
    () => parseRegistriesConf('[Registries.search]\nregistries = []', 'registries.conf'),
    fails('SLUICE_CONFIG', /version 1/),
  )
})

test('endpoints: longest prefix, mirrors in order, location in place of the prefix', () => {
  const places = (text: string): string[] =>
    endpointsOf(name(text), conf).map(({ host, path, insecure }) => `${host}/${path}${insecure ? ' insecure' : ''}`)
  assert.deepEqual(places('plain.example/a'), ['plain.example/a'])
  assert.deepEqual(places('mirrored.example/a/b:t'), [
    'm1.example/cache/a/b insecure',
    'm3.example/a/b',
    'mirrored.example/a/b',
  ])
  assert.deepEqual(places(`mirrored.example/a@${sha256}`), [
    'm1.example/cache/a insecure',
    'm2.example/a',
    'mirrored.example/a',
  ])
  assert.deepEqual(places('mirrored.example/private/x'), ['internal.example:5000/p/x insecure'])
  assert.deepEqual(places('mirrored.example/privatex/x').at(-1), 'mirrored.example/privatex/x')
  assert.deepEqual(places('mirrored.example:5000/x'), ['mirrored.example:5000/x'])
  assert.deepEqual(places('a.b.corp.example/x'), ['corp.example:8443/x'])
  assert.deepEqual(places('corp.example/x'), ['corp.example/x'])
  assert.deepEqual(places('strict.example/x:t'), ['strict.example/x'])
  assert.deepEqual(places(`strict.example/x@${sha256}`), ['m4.example/x', 'strict.example/x'])
  assert.deepEqual(places('debian'), ['hub-mirror.example/library/debian'])
  assert.throws(() => places('bad.example/x'), fails('SLUICE_POLICY', /blocks bad.example/))
})

test('short names: alias, search registries, default registry', () => {
  const resolve = (text: string, from = conf): string[] =>
    resolveShortName(parseNameParts(text), from).map(formatRegistryName)
  assert.deepEqual(resolve('fedora:41'), ['registry.fedoraproject.org/fedora:41'])
  assert.deepEqual(resolve('app'), ['one.example/app:latest', 'two.example/ns/app:latest'])
  assert.deepEqual(resolve('quay.io/a'), ['quay.io/a:latest'])
  assert.deepEqual(resolve('debian', emptyRegistriesConf), ['docker.io/library/debian:latest'])
  const enforcing = { ...conf, shortNameMode: 'enforcing' as const }
  assert.throws(() => resolve('app', enforcing), fails('SLUICE_USAGE', /one.example\/app, two.example\/ns\/app/))
})

test('registries.conf files that cannot be used', () => {
  const table: [string, RegExp][] = [
    ['[registries.search]\nregistries = ["x"]', /version 1/],
    ['= nonsense', /not TOML/],
    ['[[registry]]\ninsecure = true', /neither prefix nor location/],
    ['[[registry]]\nlocation = "a"\ninsecure = "yes"', /insecure is not true or false/],
    [
      '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "never"',
      /pull-from-mirror/,
    ],
    ['short-name-mode = "maybe"', /short-name-mode/],
    ['unqualified-search-registries = "x"', /not a list of strings/],
    ['[[registry]]\nlocation = "https://a.example"', /without a scheme/],
    ['[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "http://b"', /without a scheme/],
    // As they stand, these would block nothing.
    ['[[registry]]\nprefix = "https://a"\nlocation = "a"\nblocked = true', /prefix is .*without a scheme/],
    ['[[registry]]\nprefix = "*.a.example:5000"\nblocked = true', /without a port or path/],
    ['[[registry]]\nprefix = "*.a.example/ns"\nblocked = true', /without a port or path/],
    ['[[registry]]\nprefix = "a.*"\nlocation = "a.b"\nblocked = true', /at the beginning/],
    ['[[registry]]\nlocation = "a"\n[[registry]]\nlocation = "a"\nblocked = true', /both blocked and not/],
  ]
  for (const [text, message] of table) {
    assert.throws(() => parseRegistriesConf(text, 'r.conf'), fails('SLUICE_CONFIG', message))
  }
})

test('registries.conf: hosts in any case, the first of equal prefixes, and all ports of a host that is blocked', () => {
  const rules = parseRegistriesConf(
    `
[[registry]]
prefix = "Upper.Example:5000/Ns"
location = "Real.Example/Path"
[[registry]]
prefix = "*.Blocked.Example"
blocked = true
[[registry]]
location = "10.0.0.1"
blocked = true
[[registry]]
location = "twice.example"
[[registry]]
prefix = "twice.example"
location = "other.example"
`,
    'r.conf',
  )
  assert.deepEqual(endpointsOf({ host: 'upper.example:5000', path: 'Ns/app' }, rules), [
    { host: 'real.example', path: 'Path/app', insecure: false },
  ])
  for (const blocked of ['a.blocked.example/x', '10.0.0.1/x', '10.0.0.1:5000/x']) {
    assert.throws(() => endpointsOf(name(blocked), rules), fails('SLUICE_POLICY', /blocks/), blocked)
  }
  assert.equal(endpointsOf(name('10.0.0.11/x'), rules).length, 1)
  assert.deepEqual(endpointsOf(name('twice.example/x'), rules), [{ host: 'twice.example', path: 'x', insecure: false }])
})

test('registries.conf: places, drop-ins, recorded aliases', async (t) => {
  const folder = temporaryDirectory(t)
  const write = (path: string, text: string): string => {
    const full = join(folder, path)
    mkdirSync(join(full, '..'), { recursive: true })
    writeFileSync(full, text)
    return full
  }
  const places = { environment: {}, home: join(folder, 'home'), etc: join(folder, 'etc') }
  assert.deepEqual(await loadRegistriesConf(places), emptyRegistriesConf)
  write('etc/containers/registries.conf', 'unqualified-search-registries = ["system"]\n[[registry]]\nlocation = "r"')
  write(
    'etc/containers/registries.conf.d/10-a.conf',
    '[[registry]]\nlocation = "r"\nblocked = true\n[aliases]\na = "x/a"\nb = "x/b"',
  )
  write('etc/containers/registries.conf.d/20-b.conf', 'unqualified-search-registries = ["late"]\n[aliases]\nb = ""')
  write('etc/containers/registries.conf.d/ignored.txt', 'short-name-mode = "wrong"')
  const system = await loadRegistriesConf(places)
  assert.deepEqual(system.searchRegistries, ['late'])
  assert.equal(system.rules.get('r')?.blocked, true)
  assert.deepEqual([...system.aliases], [['a', 'x/a']])
  write('home/.config/containers/registries.conf', 'credential-helpers = ["pass"]')
  write('home/.config/containers/registries.conf.d/30-c.conf', '[aliases]\na = "y/a"')
  write('home/.cache/containers/short-name-aliases.conf', '[aliases]\nc = "z/c"')
  write('var/cache/containers/short-name-aliases.conf', '[aliases]\nc = "root/c"')
  const user = await loadRegistriesConf(places, 1000)
  assert.equal((await loadRegistriesConf(places, 0)).aliases.get('c'), 'root/c')
  assert.deepEqual(user.credentialHelpers, ['pass'])
  assert.deepEqual(Object.entries(Object.fromEntries(user.aliases)), [
    ['a', 'y/a'],
    ['c', 'z/c'],
  ])
  // Of all that is in ~/.config/containers, this moves auth.json alone.
  const moved = { ...places, environment: { XDG_CONFIG_HOME: join(folder, 'xdg') } }
  assert.deepEqual(await loadRegistriesConf(moved, 1000), user)
  write('home/.config/containers/policy.json', '{"default":[{"type":"reject"}]}')
  const opening = openImageSource('docker://a.example/x', {
    env: moved.environment,
    home: places.home,
    etc: places.etc,
  })
  await assert.rejects(opening, fails('SLUICE_POLICY', /rejects/))
  const stated = write('mine.conf', 'short-name-mode = "disabled"')
  const only = await loadRegistriesConf({ ...places, environment: { CONTAINERS_REGISTRIES_CONF: stated } })
  assert.equal(only.shortNameMode, 'disabled')
  assert.equal(only.aliases.size, 0)
  const missing = { ...places, environment: { CONTAINERS_REGISTRIES_CONF: join(folder, 'none') } }
  await assert.rejects(loadRegistriesConf(missing), fails('SLUICE_CONFIG', /none/))
})

test('policy: the most specific scope decides, unknown requirements are refused', () => {
  const accept = [{ type: 'insecureAcceptAnything' }]
  const reject = [{ type: 'reject' }]
  const policy = parsePolicy(
    JSON.stringify({
      default: reject,
      transports: {
        docker: {
          'quay.io/open': accept,
          'quay.io/open/closed': reject,
          'Quay.IO/open/closed:ok': accept,
          '*.example.com': accept,
          'signed.io': [{ type: 'signedBy', keyType: 'GPGKeys' }],
          'both.io': [...accept, { type: 'sigstoreSigned' }],
        },
        oci: { '': accept, '/srv/bad': reject },
      },
    }),
    'policy.json',
  )
  const docker = (text: string) => () => enforcePolicy(policy, 'docker', registryScopes(name(text)), text)
  const oci = (path: string) => () => enforcePolicy(policy, 'oci', pathScopes(path, 't'), path)
  for (const text of ['quay.io/open/x', 'quay.io/open/closed:ok', 'a.b.example.com/x', 'b.example.com:5000/x']) {
    docker(text)()
  }
  for (const text of ['quay.io/other', 'quay.io/open/closed:t', 'example.com/x', 'debian']) {
    assert.throws(docker(text), fails('SLUICE_POLICY', /rejects/), text)
  }
  assert.throws(docker('signed.io/a'), fails('SLUICE_POLICY', /demands signedBy/))
  assert.throws(docker('both.io/a'), fails('SLUICE_POLICY', /demands sigstoreSigned/))
  oci('/srv/good')()
  assert.throws(oci('/srv/bad'), fails('SLUICE_POLICY'))
  assert.throws(oci('/srv/bad/below'), fails('SLUICE_POLICY'))
  assert.throws(
    () => enforcePolicy(policy, 'oci-archive', pathScopes('/x', undefined), 'x'),
    fails('SLUICE_POLICY', /default/),
  )
  for (const text of [
    '',
    '{}',
    '{"default":[]}',
    '{"default":[{}]}',
    '{"default":[{"type":"reject"}],"transports":[]}',
    // As they stand, these would enforce nothing.
    '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
    '{"default":[{"type":"insecureAcceptAnything"}],"trnsports":{"docker":{"":[{"type":"reject"}]}}}',
    '{"default":[{"type":"insecureAcceptAnything","but":"not this"}]}',
    '{"default":[{"type":"reject"}],"transports":{"docker":{"A.io":[{"type":"reject"}],"a.io":[{"type":"reject"}]}}}',
  ]) {
    assert.throws(() => parsePolicy(text, 'p'), fails('SLUICE_CONFIG'), text)
  }
})

test('proxies: by scheme, and what NO_PROXY excludes', () => {
  const environment = {
    HTTPS_PROXY: 'http://secure:3128',
    http_proxy: 'plain:8080',
    NO_PROXY: 'a.example, .b.example,*.c.example,10.0.0.0/8,192.168.1.1,d.example:8443,fd00::/8',
  }
  const via = (url: string): string | undefined => proxyFor(new URL(url), environment)
  const table: [string, string | undefined][] = [
    ['https://x.example/', 'http://secure:3128'],
    ['http://x.example/', 'http://plain:8080'],
    ['https://a.example/', undefined],
    ['https://sub.a.example/', undefined],
    ['https://nota.example/', 'http://secure:3128'],
    ['https://sub.b.example/', undefined],
    ['https://sub.c.example/', undefined],
    ['https://b.example/', 'http://secure:3128'],
    ['https://c.example/', 'http://secure:3128'],
    ['https://10.1.2.3/', undefined],
    ['https://11.1.2.3/', 'http://secure:3128'],
    ['https://192.168.1.1/', undefined],
    ['https://d.example/', 'http://secure:3128'],
    ['https://d.example:8443/', undefined],
    ['https://[fd00::1]/', undefined],
    ['https://localhost:5000/', undefined],
    ['http://127.0.0.1/', undefined],
  ]
  for (const [url, proxy] of table) assert.equal(via(url), proxy, url)
  assert.equal(proxyFor(new URL('https://x/'), { HTTPS_PROXY: 'http://p', NO_PROXY: '*' }), undefined)
  assert.equal(proxyFor(new URL('https://x/'), {}), undefined)
})

test('challenges: quoting, several at once, unknown schemes', () => {
  const parse = (...lines: string[]) =>
    parseChallenges(lines).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
  assert.deepEqual(parse('Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope=repository:a:pull'), [
    ['bearer', { realm: 'https://a/t?x=1,2', service: 's "q"', scope: 'repository:a:pull' }],
  ])
  assert.deepEqual(parse('BEARER Realm="r" , Scope="a b"'), [['bearer', { realm: 'r', scope: 'a b' }]])
  assert.deepEqual(parse('Negotiate, Basic realm="x", Bearer realm="y",service="z"'), [
    ['negotiate', {}],
    ['basic', { realm: 'x' }],
    ['bearer', { realm: 'y', service: 'z' }],
  ])
  assert.deepEqual(parse('Negotiate dG9rZW4=, Basic realm=x', 'Bearer realm="y"'), [
    ['negotiate', {}],
    ['basic', { realm: 'x' }],
    ['bearer', { realm: 'y' }],
  ])
  // Not as the RFC has it, but as some servers do.
  for (const between of [' ', ';', '; ', ' , ', ',,']) {
    assert.deepEqual(parse(`Bearer realm="https://a/t"${between}service=s${between}scope="x",Basic realm="b"`), [
      ['bearer', { realm: 'https://a/t', service: 's', scope: 'x' }],
      ['basic', { realm: 'b' }],
    ])
  }
  assert.deepEqual(parse(''), [])
  assert.deepEqual(parse('Basic'), [['basic', {}]])
  assert.equal(parse(`Bearer ${'a="'.repeat(20_000)}`).length > 0, true)
})

test('a proxy that is no URL is told without what it is', () => {
  for (const proxy of [
    'http://alice:s3cr/et@proxy:3128',
    'http://alice:s3cr%ZZ@proxy:3128',
    'ftp://alice:s3cr@proxy',
  ]) {
    assert.throws(
      () => proxyFor(new URL('https://x/'), { HTTPS_PROXY: proxy }),
      (error: SluiceError) => error.code === 'SLUICE_CONFIG' && !/s3cr|alice/.test(`${error.message}${error.hint}`),
    )
  }
})

test('what a server demands lengthens the pause before the next attempt, and never takes it away', async () => {
  const policy = { tries: 3, baseDelayMs: 60, maxDelayMs: 60, maxRetryAfterMs: 150 }
  const pauseAfter = async (retryAfterMs: number): Promise<number> => {
    const start = performance.now()
    const error = new SluiceError('SLUICE_HTTP', 'wait', { retryable: true, details: { retryAfterMs } })
    await new RetryBudget(policy).spend(error, AbortSignal.timeout(60_000))
    return performance.now() - start
  }
  assert.ok((await pauseAfter(0)) >= 29)
  assert.ok((await pauseAfter(3_600_000)) >= 149)
})

test('Retry-After in seconds and as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  assert.equal(parseRetryAfter('7', now), 7000)
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000)
  assert.equal(parseRetryAfter('Wed, 31 Dec 2025 23:59:00 GMT', now), 0)
  for (const odd of ['soon', '5.5', '-1', '+5', '1 Jan 2026']) assert.equal(parseRetryAfter(odd, now), undefined)
  assert.equal(parseRetryAfter(undefined, now), undefined)
})

test('a part of the retry policy that is undefined is as if it were not given', () => {
  const { tries, ...given } = retryPolicy({ tries: undefined, baseDelayMs: 0 } as unknown as { baseDelayMs: number })
  assert.deepEqual({ tries, ...given }, { ...retryPolicy(), baseDelayMs: 0 })
  assert.ok(tries >= 1)
})
