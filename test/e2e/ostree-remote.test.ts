/** `ostree remote`, and what servers and directories offer by `ostree list-refs`. */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseRemote } from '../../src/formats/ostree/remote-config.js'
import { ostreeRemote, ostreeRemoteTrust } from '../../src/pipelines/ostree-remotes.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { sluice } from '../helpers/cli.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { readVector, vectorPath } from '../helpers/vectors.js'

const directory = mkdtempSync(join(tmpdir(), 'sluice-test-remotes-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const path = join(directory, 'repo')
before(() => initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true }))

const ostree = (...words: string[]) => sluice(['--repo', path, 'ostree', ...words])

async function ok(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await ostree(...words)
  assert.equal(status, 0, stderr)
  return stdout
}

async function fails(status: number, message: RegExp, ...words: string[]): Promise<void> {
  const result = await ostree(...words)
  assert.equal(result.status, status, result.stderr)
  assert.match(result.stderr, message)
}

const ed25519 = readVector('ostree', 'keys', 'ed25519.pub.b64').toString().trim()

describe('ostree remote', () => {
  test('writes remotes as ostree does, lists and forgets them', async () => {
    const keys = vectorPath('ostree', 'keys', 'key.asc')
    await ok('remote', 'add', 'signed', 'https://example.com/repo', 'a/b', 'c', '--gpg-import', keys)
    const options = ['--no-gpg-verify', '--sign-verify', `ed25519=inline:${ed25519}`, '--set=http2=false']
    await ok('remote', 'add', 'plain', 'mirrorlist=http://localhost/list', ...options)
    assert.equal(await ok('remote', 'list'), 'plain\nsigned\n')
    assert.equal(
      await ok('remote', 'list', '--show-urls'),
      'plain   mirrorlist=http://localhost/list\nsigned  https://example.com/repo\n',
    )
    const files = join(path, '.sluice/remotes.d')
    assert.equal(
      readFileSync(join(files, 'plain.conf'), 'utf8'),
      `[remote "plain"]\nurl=mirrorlist=http://localhost/list\ngpg-verify=false\nsign-verify=ed25519;\n` +
        `verification-ed25519-key=${ed25519}\nhttp2=false\n`,
    )
    assert.equal(statSync(join(files, 'signed.conf')).mode & 0o077, 0)

    using repository = await Repository.open(path, { insecure: true })
    const signed = ostreeRemote(repository, 'signed')
    assert.deepEqual(signed.branches, ['a/b', 'c'])
    const { commits, summary } = await ostreeRemoteTrust(repository, signed)
    assert.ok(commits!.gpg!.keys.length > 0)
    assert.deepEqual([commits!.sign, summary], [undefined, undefined])
    const plain = await ostreeRemoteTrust(repository, ostreeRemote(repository, 'plain'))
    assert.deepEqual(
      plain.commits!.sign!.ed25519!.map(({ name }) => name),
      [ed25519],
    )

    await fails(2, /there is a remote plain already/, 'remote', 'add', 'plain', 'http://localhost/')
    await ok('remote', 'add', '--if-not-exists', 'plain', 'http://localhost/')
    assert.equal(ostreeRemote(repository, 'plain').url, 'mirrorlist=http://localhost/list')
    await ok('remote', 'add', '--force', 'plain', 'http://localhost/')
    assert.equal(ostreeRemote(repository, 'plain').url, 'http://localhost/')
    await ok('remote', 'remove', 'signed')
    await fails(4, /there is no remote signed/, 'remote', 'remove', 'signed')
    await ok('remote', 'delete', '--if-exists', 'signed')
    assert.equal(await ok('remote', 'list'), 'plain\n')
    assert.throws(() => ostreeRemote(repository, 'signed'), /there is no remote signed/)
  })

  test('refuses what it could not use', async () => {
    const refused = [
      [['../x', 'http://localhost/'], /no name of a remote/],
      [['x', 'ftp://localhost/'], /not a URL/],
      [['x', 'http://localhost/', '--set=gpg-verify=perhaps'], /neither true nor false/],
      [['x', 'http://localhost/', '--set=tls-client-cert-path=/x'], /go together/],
      [['x', 'http://localhost/', '--set=sign-verify=dummy'], /dummy/],
      [['x', 'http://localhost/', '--set=a=b\nurl=c'], /line end/],
      [['x', 'http://localhost/', '--sign-verify=rot13=inline:x'], /not a key/],
      [['x', 'http://localhost/', ...['a', 'b'].map((key) => `--sign-verify=ed25519=inline:${key}`)], /one verif/],
    ] as const
    await Promise.all(refused.map(([words, message]) => fails(2, message, 'remote', 'add', ...words)))
    assert.doesNotMatch(await ok('remote', 'list'), /^x$/m)
  })

  test('lists in ostree use either separator', () => {
    const remote = parseRemote('r', new Map(Object.entries({ url: 'http://x/', gpgkeypath: '/a;/b,/c;' })))
    assert.deepEqual(remote.gpgKeyPaths, ['/a', '/b', '/c'])
  })
})

describe('ostree list-refs', () => {
  const source = ostreeVector('archive')
  const refs = ['alpha/main', 'delta', 'empty']
  const names = (table: string) => [...table.matchAll(/^│ (\S+) +┆ [0-9a-f]{64} │$/gm)].map(([, name]) => name)

  test('of a directory', async () => {
    assert.deepEqual(names(await ok('list-refs', source)), refs)
    await fails(4, /is not an ostree repository/, 'list-refs', directory)
  })

  test('of a directory with other files, and with a link to nothing', async (t) => {
    const copy = join(directory, 'copy')
    t.after(() => rmSync(copy, { recursive: true }))
    cpSync(source, copy, { recursive: true })
    const heads = join(copy, 'refs/heads')
    mkdirSync(join(heads, '.d'))
    for (const name of ['.tmpabc', '.d/x', 'a b']) writeFileSync(join(heads, name), 'no id')
    copyFileSync(join(heads, 'delta'), join(heads, 'größe.1'))
    assert.deepEqual(names(await ok('list-refs', copy)), [...refs, 'größe.1'])
    symlinkSync('nothing', join(heads, 'alias'))
    await fails(4, /cannot read the ref .*refs\/heads\/alias: ENOENT/, 'list-refs', copy)
  })

  test('of a server, by its summary', async (t) => {
    const server = createServer((request, response) => {
      const name = request.url!.slice(1)
      const known = name === 'summary'
      response.writeHead(known ? 200 : 404).end(known ? readFileSync(join(source, name)) : '')
    })
    t.after(() => server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    assert.deepEqual(names(await ok('list-refs', url)), refs)
    await fails(4, /no summary available from remote/, 'list-refs', `${url}/elsewhere`)
    await fails(4, /there is no ref alpha\/none: .*\/refs\/heads\/alpha%2Fnone answered 404/, 'pull', url, 'alpha/none')
  })

  test('of a repository without any', async (t) => {
    const empty = join(directory, 'empty')
    t.after(() => rmSync(empty, { recursive: true }))
    cpSync(source, empty, { recursive: true, filter: (file) => !file.startsWith(join(source, 'refs/heads/')) })
    assert.equal(await ok('list-refs', empty), 'No refs found\n')
  })
})
