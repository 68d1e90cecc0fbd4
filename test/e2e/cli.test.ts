/** The command line as a process: output, exit statuses, and the same repository with and without native code. */
import assert from 'node:assert/strict'
import { exec } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { initRepository } from '../../src/repository/init.js'
import { sluice } from '../helpers/cli.js'
import { layerTar, serveImage } from '../helpers/pull.js'
import { startRegistry } from '../helpers/registry-client.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const tars = [layerTar('base'), layerTar('app')]

test('a pull from a registry, and what the other commands say of it', async (t) => {
  const registry = await startRegistry(t)
  const { layers } = serveImage(registry, 'v1', tars)
  const repo = join(temporaryDirectory(t), 'repo')
  const run = (...args: string[]) => sluice(['--repo', repo, '--insecure', ...args])

  const pulled = await run(
    'pull',
    '--no-tls-verify',
    '--platform',
    'linux/amd64',
    '--threads',
    '0',
    `docker://${registry.host}/app:v1`,
    'mine',
  )
  assert.equal(pulled.status, 0, pulled.stderr)
  assert.match(pulled.stderr, /INSECURE/)
  const line = /^manifest (sha256:\w{64})\nconfig {3}(sha256:\w{64})\nverity {3}\w{128}\ntagged {3}mine\n/
  const [, manifest] = line.exec(pulled.stdout) ?? assert.fail(pulled.stdout)
  assert.match(pulled.stdout, /\nobjects {2}6 new \+ 0 already present objects; .* KiB stored, .* KiB inlined\n$/)

  const table = await run('oci', 'images')
  const row = `│ mine ┆ ${manifest.slice(7, 19)} ┆ amd64 ┆ 2      ┆ 0    │`
  assert.deepEqual(table.stdout.split('\n').slice(2, 4), ['╞══════╪══════════════╪═══════╪════════╪══════╡', row])

  const layer = await run('oci', 'layer', layers[0].diffId)
  assert.equal(`sha256:${createHash('sha256').update(layer.stdout, 'utf8').digest('hex')}`.length, 71)
  assert.equal(layer.status, 0)

  const tagged = await run('oci', 'tag', manifest, 'other/name:x')
  assert.equal(tagged.stdout, `Tagged ${manifest} as other/name:x\n`)
  assert.ok(existsSync(join(repo, 'streams/refs/oci/other%2Fname:x')))
  assert.equal((await run('oci', 'untag', 'other/name:x')).stdout, 'Removed tag other/name:x\n')
  assert.equal((await run('oci', 'untag', 'other/name:x')).status, 4)
  assert.equal((await run('oci', 'inspect', 'nothing')).status, 4)
  assert.equal((await run('oci', 'tag', `sha256:${'0'.repeat(64)}`, 'x')).status, 4)
  assert.equal((await run('oci', 'tag', 'sha256:00', 'x')).status, 2)

  assert.match((await run('oci', 'inspect', manifest)).stderr, /not found: sha256:.*\nhint: .* written @sha256:HEX\n$/)
  assert.match((await run('mount', 'mine', repo)).stderr, /image not found: mine\nhint: .*"sluice oci compute-id TAG"/)
  const image = (await run('oci', 'compute-id', 'mine')).stdout.trim()
  assert.deepEqual(await run('dump-files', image), { status: 0, stdout: '', stderr: '' })

  const collected = await run('gc', '-n', '-r', 'nothing', '-r', 'else')
  assert.equal(collected.stdout, 'Dry run (no files deleted):\nObjects: 0 removed (0 bytes)\n')

  const check = await run('oci', 'fsck')
  assert.match(
    check.stdout,
    /^meta.json: ok\nobjects: (\d+)\/\1 ok\nstreams: 4\/4 ok\nimages: 1\/1 ok\nstatus: ok\noci images: 1\/1 ok\n$/,
  )
})

test('a table of many rows is one table', async (t) => {
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars.slice(0, 1))
  const repo = join(temporaryDirectory(t), 'repo')
  const reference = `docker://${registry.host}/app:v1`
  const pulled = await sluice(['--repo', repo, 'pull', '--no-tls-verify', '--platform', 'linux/amd64', reference, 'a'])
  const [, manifest] = /^manifest (\S+)$/m.exec(pulled.stdout) ?? assert.fail(pulled.stderr)
  // More than are laid out at a time, and exactly so many; the widest is among the last.
  for (const [from, count] of [
    [1, 200],
    [200, 250],
  ] as const) {
    const name = (i: number) => (i === 248 ? `b-${i}-長い名前` : `b-${i}`)
    for (let i = from; i < count; i++) {
      symlinkSync(`../../oci-manifest-${manifest}`, join(repo, 'streams/refs/oci', name(i)))
    }
    const names = ['a', ...Array.from({ length: count - 1 }, (_, i) => name(i + 1))].sort()
    const lines = (await sluice(['--repo', repo, 'oci', 'images'])).stdout.split('\n').slice(0, -1)
    const rows = lines.filter((line) => line.startsWith('│'))
    assert.deepEqual(
      rows.map((row) => row.split(/ *[│┆] */)[1]),
      ['NAME', ...names],
    )
    const width = (line: string) => line.length + (line.includes('長い名前') ? 4 : 0)
    assert.deepEqual([...new Set(lines.map(width))], [lines[0].length])
    const borders = lines.map((line) => line[0]).join('')
    assert.equal(borders, `┌│╞│${'├│'.repeat(count - 1)}└`)
  }
})

test('files of an image are told by any spelling of their path, and where their content is, with a digest or without', async (t) => {
  const directory = temporaryDirectory(t)
  const repo = join(directory, 'repo')
  const run = (args: string[], input?: Buffer) =>
    sluice(['--repo', repo, '--insecure', '--hash', 'sha256', ...args], { input: input ?? '' })
  const [plain, verified] = ['12'.repeat(32), 'ab'.repeat(32)]
  const path = (id: string) => `${id.slice(0, 2)}/${id.slice(2)}`
  const dump = [
    '/ 0 40755 3 0 0 0 0.0 - - -',
    '/d 0 40755 2 0 0 0 0.0 - - -',
    `/d/plain 100 100644 1 0 0 0 0.0 ${path(plain)} - -`,
    '/d/sparse 100 100644 1 0 0 0 0.0 - - -',
    `/d/verified 100 100644 1 0 0 0 0.0 ${path(verified)} - ${verified}`,
    '',
  ]
  const [text, image] = [join(directory, 'dump'), join(directory, 'image')]
  writeFileSync(text, dump.join('\n'))
  assert.equal((await sluice(['mkcomposefs', '--from-file', text, image])).status, 0)
  assert.equal((await run(['init', '--algorithm', 'fsverity-sha256-12'])).status, 0)
  assert.equal((await run(['import-image', 'x'], readFileSync(image))).status, 0)

  const files = ['/d/plain', 'd//plain', '/./d/./plain', '/d/sparse', '/d/verified']
  const places = [path(plain), path(plain), path(plain), 'inline', path(verified)]
  const told = await run(['dump-files', '--backing-path-only', 'refs/x', ...files])
  assert.equal(told.stdout, files.map((file, index) => `${file} ${places[index]}\n`).join(''), told.stderr)
  assert.equal((await run(['dump-files', 'refs/x', '/d/../d/plain'])).status, 4)
})

test('usage errors end with 2, help and version with 0', async () => {
  for (const args of [
    ['nope'],
    ['oci'],
    [],
    ['oci', 'pull'],
    ['pull', 'a', 'b', 'c'],
    ['--repo', 'x', '--user', 'images'],
    ['--hash', 'md5', 'images'],
    ['pull', '-j', '0', 'x'],
    ['pull', '--username', 'x', 'y'],
    ['--repo', '--insecure', 'images'],
    ['images', '--repo', '-q'],
    ['ostree', 'pull', '--base-name', '--no-delta', 'x', 'y'],
  ]) {
    const { status, stderr, stdout } = await sluice(args)
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.equal(stdout, '')
    assert.notEqual(stderr, '')
  }
  for (const args of [['--help'], ['oci', 'pull', '--help'], ['--version']]) {
    const { status, stdout, stderr } = await sluice(args)
    assert.deepEqual([status, stderr], [0, ''])
    assert.notEqual(stdout, '')
  }
})

test('a value that is refused is told with its option or what to write instead, and makes no repository', async (t) => {
  const repo = join(temporaryDirectory(t), 'a b')
  const cases: [args: string[], told: RegExp][] = [
    [['pull', '-j', '0', 'x'], /option '-j, --jobs <n>' argument '0' is invalid. Give a number from 1 to 9999/],
    [['pull', '--threads', '-1', 'x'], /option '--threads <n>' argument '-1' is invalid. Give a number from 0/],
    [
      ['pull', '--max-memory', '1X', 'x'],
      /option '--max-memory <size>' argument '1X' is invalid. Give a size like 64M/,
    ],
    [['pull', '--max-memory', '31M', 'x'], /option '--max-memory <size>' argument '31M' is invalid. .* at least 32M/],
    [['stats', '--largest', 'all'], /option '--largest <n>' argument 'all' is invalid/],
    [['ostree', 'pull', '--depth', 'x', 'a', 'b'], /option '--depth <n>' argument 'x' is invalid/],
    [['ostree', 'commit', '--timestamp', 'now', 'a'], /option '--timestamp <seconds>' argument 'now' is invalid/],
    [['--erofs-version', '3', 'images'], /option '--erofs-version <version>' argument '3' is invalid/],
    [['pull', './layout'], /not an image name, but a path: ".\/layout"\nhint: .*oci:DIRECTORY/],
    [['pull', ''], /not an image name: "": it is empty/],
    [['pull', '--platform', 'x', 'debian:12'], /not a platform/],
    [['pull', '--username', 'x', 'debian:12'], /go together/],
    [['pull', 'ostree:a/b', 'tag'], /takes no tag/],
    [['oci', 'tag', 'h.io/debian:12', 'x'], /invalid digest "h.io\/debian:12"\nhint: .*"sluice oci images --json"/],
    [['oci', 'layer', 'f678'], /invalid digest "f678"\nhint: write it as sha256:HEX/],
  ]
  for (const [args, told] of cases) {
    const { status, stderr } = await sluice(args, { env: { SLUICE_REPO: repo } })
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, told)
  }
  assert.ok(!existsSync(repo))
  const missing = await sluice(['--repo', repo, 'images'])
  assert.ok(missing.stderr.includes(`hint: make one with "sluice --repo '${repo}' init"\n`), missing.stderr)

  const made = await sluice(['--repo', repo, 'pull', '--no-tls-verify', 'oci:nothing'])
  assert.equal(made.status, 4)
  for (const args of [
    ['linked-erofs-images', '00'],
    ['compute-id', 'x', '00'],
    ['dump', 'x', '00'],
  ]) {
    const { status, stderr } = await sluice(['--repo', repo, 'oci', ...args])
    assert.equal(status, 2)
    assert.match(stderr, /invalid object id "00"\nhint: .* 128 hex digits/)
  }
  const absent = await sluice(['--repo', repo, 'oci', 'tag', 'debian:12', 'x'])
  assert.match(absent.stderr, /^Error: .*debian:12 .*\nhint: "sluice oci images --json"/)
  const local = await sluice(['--repo', repo, 'ostree', 'pull-local', 'http://u:secret@127.0.0.1:1/x', 'main', '-v'])
  assert.match(
    local.stderr,
    /^Error: http:\/\/127.* is not an ostree repository: .*\nhint: for a URL use "sluice ostree pull"/,
  )
  assert.doesNotMatch(local.stderr, /secret/)
  const bare = await sluice(['--repo', repo, 'oci', 'pull', 'debian:12'])
  assert.match(bare.stderr, /^Error: Invalid transport: "debian" in "debian:12"\nhint: .*docker:\/\/NAME/)
})

test('help for a command that does not exist is refused', async () => {
  for (const args of [
    ['help', 'nope'],
    ['nope', '--help'],
    ['--repo', 'x', 'nope', '--help'],
    ['oci', 'help', 'nope'],
    ['oci', 'nope', '--help'],
    ['ostree', 'remote', 'nope', '--help'],
  ]) {
    assert.deepEqual(await sluice(args), { status: 2, stdout: '', stderr: "error: unknown command 'nope'\n" })
  }
  for (const args of [['help'], ['help', 'pull'], ['oci', 'help', 'pull'], ['help', 'list-images']]) {
    const { status, stdout } = await sluice(args)
    assert.deepEqual([status, stdout.startsWith('Usage: ')], [0, true], args.join(' '))
  }
})

test('the help of a command tells where --repo is, and no default that says nothing', async () => {
  assert.match((await sluice(['pull', '--help'])).stdout, /^Options of all commands, such as --repo: sluice --help$/m)
  assert.doesNotMatch((await sluice(['ostree', 'remote', 'add', '--help'])).stdout, /default/)
})

test('init makes, accepts and refuses as the reference does', async (t) => {
  const repo = join(temporaryDirectory(t), 'a/b')
  const made = await sluice(['init', '--insecure', '--algorithm', 'fsverity-sha256-12', repo])
  const text = `Initialized composefs repository at ${repo}\n  algorithm: fsverity-sha256-12\n  verity:    not required (insecure)\n`
  assert.equal(made.stdout, text)
  const again = await sluice(['init', '--insecure', '--algorithm', 'fsverity-sha256-12', repo])
  assert.equal(again.stdout, `Repository already initialized at ${repo}\n`)
  const ensured = await sluice(['--repo', repo, 'init', '--insecure', '--ensure', '--algorithm', 'fsverity-sha256-12'])
  assert.equal(ensured.stdout, `Repository already initialized at ${repo} (existing configuration preserved)\n`)
  assert.equal((await sluice(['init', '--insecure', repo])).status, 7)
  assert.equal((await sluice(['init', '--algorithm', 'sha256', repo])).status, 2)
})

test('--json gives events, the last one with the result', async (t) => {
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const repo = join(temporaryDirectory(t), 'repo')
  const pulled = await sluice([
    'pull',
    '--repo',
    repo,
    '--insecure',
    '--json',
    '--no-tls-verify',
    '--platform',
    'linux/amd64',
    `docker://${registry.host}/app:v1`,
  ])
  assert.equal(pulled.status, 0, pulled.stderr)
  const events = pulled.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.ok(events.every(({ v }) => v === 1))
  assert.deepEqual(
    new Set(events.map(({ type }) => type)),
    new Set(['message', 'started', 'progress', 'done', 'stages', 'completed']),
  )
  const result = events.at(-1)!['result'] as {
    tag: string
    images: Record<string, string>
    layers: unknown
    stages: { erofs: { bytes: number; items: number } }
  }
  assert.equal(result.tag, `docker://${registry.host}/app:v1`)
  assert.deepEqual(Object.keys(result.images), ['1'])
  assert.deepEqual(result.layers, { total: 2, fetched: 2 })
  const image = join(repo, 'images', result.images['1'])
  assert.deepEqual([result.stages.erofs.bytes, result.stages.erofs.items], [statSync(image).size, 1])
})

test('errors of the network, of verification and of access have their own statuses, and tell no secrets', async (t) => {
  const registry = await startRegistry(t, { auth: { type: 'basic', username: 'user', password: 'hunter2' } })
  const { layers } = serveImage(registry, 'v1', tars)
  const repo = join(temporaryDirectory(t), 'repo')
  const image = `docker://${registry.host}/app:v1`
  const pull = (args: string[], input = '') =>
    sluice(['--repo', repo, '--insecure', '-vv', 'pull', '--no-tls-verify', '--platform', 'linux/amd64', ...args], {
      input,
    })
  assert.equal((await pull([image])).status, 3)
  const wrong = await pull(['--username', 'user', '--password-stdin', image], 'hunter3\n')
  assert.equal(wrong.status, 3)
  assert.ok(!wrong.stderr.includes('hunter3'), wrong.stderr)
  const user = ['--username', 'user', '--password-stdin']
  registry.fault({ path: new RegExp(layers[0].digest), corruptAt: 100 })
  const corrupt = await pull([...user, image], 'hunter2\n')
  assert.equal(corrupt.status, 5)
  assert.ok(corrupt.stderr.includes(layers[0].digest) && corrupt.stderr.includes(registry.host))
  assert.equal((await pull([...user, `docker://${registry.host}/app:none`], 'hunter2\n')).status, 4)
  assert.equal((await pull([...user, image], 'hunter2\n')).status, 0)
  assert.equal((await sluice(['--repo', '/proc/nothing', 'pull', image])).status, 7)
})

test('what a server says cannot steer the terminal, or make a line of its own', async (t) => {
  const registry = await startRegistry(t)
  const repo = join(temporaryDirectory(t), 'repo')
  const message = '\u001b]0;pwned\u0007\u001b[31mred\r\nError: fake line\u0000\u202e'
  const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message }] })
  const pull = (...more: string[]) =>
    sluice(['--repo', repo, '--insecure', ...more, 'pull', '--no-tls-verify', `docker://${registry.host}/app:v1`])
  const said = 'MANIFEST_UNKNOWN: \\u{1b}]0;pwned\\u{7}\\u{1b}[31mred Error: fake line\\u{0}\\u{202e}\n'
  for (const more of [[], ['-vv']]) {
    registry.fault({ path: /manifests/, status: 404, body })
    const { status, stderr } = await pull(...more)
    assert.equal(status, 4, stderr)
    assert.ok(stderr.includes(said), stderr)
    assert.doesNotMatch(stderr, /(?!\n)\p{Cc}|\u202e|^Error: fake/mu)
  }
  // Of what a manifest says it is, as much as tells it apart.
  const mediaType = `\u009b${'x'.repeat(100_000)}`
  registry.fault({ path: /manifests/, status: 200, body: JSON.stringify({ schemaVersion: 2, mediaType }) })
  const { stderr } = await pull()
  assert.match(stderr, /\\u009bxxx/)
  assert.ok(stderr.length < 3000, stderr)
})

test('names of images cannot steer the terminal; a file or pipe gets them as they are', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const reference = `docker://${registry.host}/app:v1`
  const tag = 'a\u001b[31mb\u202e\tc'
  const pulled = await sluice(['--repo', repo, '--insecure', 'pull', '--no-tls-verify', reference, tag])
  assert.equal(pulled.status, 0, pulled.stderr)
  assert.ok((await sluice(['--repo', repo, 'oci', 'images'])).stdout.includes(tag))
  const env = { NODE_OPTIONS: '--import=data:text/javascript,process.stdout.isTTY=true' }
  const { stdout } = await sluice(['--repo', repo, 'oci', 'images'], { env })
  assert.match(stdout, /│ a\\u\{1b\}\[31mb\\u\{202e\}\tc/)
})

test('the repository is the same without native code', async (t) => {
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const listing = async (env: Record<string, string>) => {
    const repo = join(temporaryDirectory(t), 'repo')
    const args = [
      '--repo',
      repo,
      '--insecure',
      'pull',
      '--no-tls-verify',
      '--platform',
      'linux/amd64',
      `docker://${registry.host}/app:v1`,
      'x',
    ]
    const { status, stderr } = await sluice(args, { env })
    assert.equal(status, 0, stderr)
    return readdirSync(repo, { recursive: true, encoding: 'utf8' }).sort()
  }
  assert.deepEqual(await listing({ SLUICE_NATIVE: 'off' }), await listing({}))
})

test('without native code, pull goes on into the repository that it made', async (t) => {
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const repo = join(temporaryDirectory(t), 'repo')
  const reference = `docker://${registry.host}/app:v1`
  const args = ['--repo', repo, 'pull', '--no-tls-verify', '--platform', 'linux/amd64', reference, 'x']
  const { status, stderr } = await sluice(args, { env: { SLUICE_NATIVE: 'off' } })
  assert.equal(status, 0, stderr)
})

test('a reader that goes away ends the program quietly', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  await sluice(['init', '--insecure', repo])
  const { spawnSync } = await import('node:child_process')
  // A tar of nothing but its end, longer than a pipe holds.
  const tar = Buffer.alloc(2 ** 20)
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`
  assert.equal((await sluice(['--repo', repo, 'oci', 'import-layer', diffId], { input: tar })).status, 0)
  for (const command of ['oci --help', `--repo ${repo} oci layer ${diffId}`]) {
    const script = `"$0" bin/sluice.js ${command} | true`
    const { stderr } = spawnSync('sh', ['-c', script, process.execPath], { encoding: 'utf8' })
    assert.equal(stderr, '', command)
  }
})

test('--hardlink does not take the reference for its value', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const run = (...args: string[]) => sluice(['--repo', repo, '--insecure', 'pull', '--storage-root', repo, ...args])
  for (const option of ['--hardlink', '--hardlink=insecure']) {
    const { status, stderr } = await run(option, 'containers-storage:app', 'mine')
    assert.equal(status, 4)
    assert.match(stderr, /no containers-storage found/)
  }
  const refused = await run('--hardlink=all', 'containers-storage:app', 'mine')
  assert.equal(refused.status, 2)
  assert.match(refused.stderr, /Allowed choices are sealed, insecure/)
})

test('several at once make one repository', async (t) => {
  for (let round = 0; round < 3; round++) {
    const repo = join(temporaryDirectory(t), 'repo')
    const made = await Promise.all(Array.from({ length: 6 }, () => sluice(['--repo', repo, 'init', '--insecure'])))
    assert.deepEqual(
      made.map(({ status, stderr }) => [status, stderr]),
      made.map(() => [0, '']),
    )
    assert.equal(made.filter(({ stdout }) => stdout.startsWith('Initialized')).length, 1)
    assert.deepEqual(readdirSync(repo), ['meta.json'])
  }
})

test('SLUICE_REPO counts where no repository is named, and not if it is empty', async (t) => {
  const folder = temporaryDirectory(t)
  const repo = join(folder, 'of the variable')
  const env = { SLUICE_REPO: repo, HOME: folder }
  assert.equal((await sluice(['init', '--insecure'], { env })).status, 0)
  assert.equal((await sluice(['images'], { env })).status, 0)
  const mine = join(folder, '.var/lib/composefs')
  for (const variable of [repo, '']) {
    const { stderr } = await sluice(['--user', 'images'], { env: { ...env, SLUICE_REPO: variable } })
    assert.match(stderr, new RegExp(`cannot open repository ${mine}: ENOENT`))
  }
  assert.equal((await sluice(['--repo', repo, '--user', 'images'], { env })).status, 2)
})

test('an empty path names no repository', async () => {
  for (const args of [
    ['--repo', '', 'fsck'],
    ['--repo=', 'init'],
    ['init', ''],
    ['pull', '--repo', '', 'oci:layout'],
  ]) {
    const { status, stderr } = await sluice(args)
    assert.deepEqual([status, stderr], [2, 'Error: the path of the repository is empty\n'])
  }
})

test('init heeds the umask', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const program = `"${process.execPath}" "${join(projectRoot, 'bin/sluice.js')}"`
  await promisify(exec)(`umask 027; ${program} init --insecure "${repo}"`)
  assert.equal(statSync(repo).mode & 0o777, 0o700)
  assert.equal(statSync(join(repo, 'meta.json')).mode & 0o777, 0o640)
})

test('init names the directory that it may not reset', async (t) => {
  const folder = temporaryDirectory(t)
  const repo = join(folder, 'repo')
  mkdirSync(repo, 0o700)
  chmodSync(folder, 0o755)
  const isRoot = process.getuid!() === 0
  if (isRoot) process.seteuid!(65_534)
  else chmodSync(repo, 0o300)
  try {
    await assert.rejects(
      initRepository(repo, { algorithm: 'sha256', erofsVersion: 1, insecure: true, resetMetadata: true }),
      {
        code: 'SLUICE_READ_ONLY',
        message: `cannot reset repository ${repo}: EACCES: permission denied, open '${repo}'`,
      },
    )
  } finally {
    if (isRoot) process.seteuid!(0)
    else chmodSync(repo, 0o700)
  }
})

test('--hash and --algorithm may not contradict each other', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const init = (...args: string[]) => sluice(['--repo', repo, '--hash', 'sha256', 'init', '--insecure', ...args])
  assert.equal((await init('--algorithm', 'fsverity-sha512-12')).status, 2)
  assert.match((await init()).stdout, /fsverity-sha256-12/)
})

test('output that gets nowhere is never a success', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const run = (command: string) => promisify(exec)(`${command}; echo "\${PIPESTATUS[0]}"`, { shell: '/bin/bash' })
  const command = `"${process.execPath}" "${join(projectRoot, 'bin/sluice.js')}" --repo "${repo}"`
  assert.equal((await sluice(['--repo', repo, 'init', '--insecure'])).status, 0)

  const full = await run(`${command} fsck > /dev/full`)
  assert.match(full.stderr, /^Error: standard output: ENOSPC/)
  assert.equal(full.stdout, '7\n')

  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const reference = `docker://${registry.host}/app:v1`
  const pulled = await run(
    `${command} pull --json --no-tls-verify --platform linux/amd64 ${reference} mine | exec 0<&-`,
  )
  assert.equal(pulled.stdout, '141\n')
})

test('a directory for standard input is no empty image, and harms nobody who does not read it', async (t) => {
  const directory = temporaryDirectory(t)
  const repo = join(directory, 'repo')
  assert.equal((await sluice(['--repo', repo, 'init', '--insecure'])).status, 0)
  const command = `"${process.execPath}" "${join(projectRoot, 'bin/sluice.js')}" --repo "${repo}"`
  const run = (words: string) => promisify(exec)(`${command} ${words} < "${directory}"; echo $?`)
  const imported = await run('import-image some')
  assert.match(imported.stderr, /^Error: standard input: EISDIR/)
  assert.equal(imported.stdout, '7\n')
  assert.equal((await run('images')).stdout, 'No images found\n0\n')
})

test('what is told to nobody does not break the work off', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  const registry = await startRegistry(t)
  serveImage(registry, 'v1', tars)
  const run = async (...words: string[]) => {
    const command = [process.execPath, join(projectRoot, 'bin/sluice.js'), '--repo', repo, ...words]
    const { stdout } = await promisify(exec)(`"${command.join('" "')}" 2> /dev/full; echo "$?"`)
    return stdout
  }
  const reference = `docker://${registry.host}/app:v1`
  const pulled = await run('--insecure', 'pull', '--no-tls-verify', '--platform', 'linux/amd64', reference, 'mine')
  assert.match(pulled, /\ntagged {3}mine\n.*\n0\n$/)
  assert.equal(await run('oci', 'inspect', 'none'), '4\n')
})

test('a repository that cannot be seen is not taken for a missing one', async (t) => {
  const repo = join(temporaryDirectory(t), 'loop')
  symlinkSync(repo, repo)
  for (const words of [['pull', 'oci:/nonexistent'], ['images']]) {
    const { status, stderr } = await sluice(['--repo', repo, ...words])
    assert.match(stderr, /^Error: cannot open repository .*: ELOOP[^\n]*\n$/)
    assert.equal(status, 7)
  }
})

test('a layer whose name is refused is not read', async (t) => {
  const repo = join(temporaryDirectory(t), 'repo')
  assert.equal((await sluice(['--repo', repo, 'init', '--insecure'])).status, 0)
  const tar = tars[0]
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`
  const { status } = await sluice(['--repo', repo, 'oci', 'import-layer', diffId, '../y'], { input: tar })
  assert.equal(status, 2)
  assert.deepEqual(readdirSync(repo), ['meta.json'])
})
