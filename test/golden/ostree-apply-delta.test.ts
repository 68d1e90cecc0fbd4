/** Static deltas in files: what the reference made of each (vectors/ostree/expected.json, `deltas`), and of damaged ones. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { parseType } from '../../src/formats/gvariant/type.js'
import { readValue } from '../../src/formats/gvariant/read.js'
import type { Dictionary } from '../../src/formats/gvariant/value.js'
import { variant, writeValue } from '../../src/formats/gvariant/write.js'
import { readSuperblock, type Superblock } from '../../src/formats/ostree/delta/superblock.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { lzmaUsable } from '../../src/native/lzma.js'
import { applyDeltaFile } from '../../src/pipelines/apply-delta.js'
import type { OstreePullResult } from '../../src/pipelines/ostree-events.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { Repository } from '../../src/repository/repository.js'
import { readInline } from '../../src/stages/ostree/stored-commit.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { sluice } from '../helpers/cli.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

interface Verdict {
  readonly needs_base: string | null
  readonly rc: number
  readonly stdout: readonly string[]
  readonly error: readonly string[]
  readonly without_base: { readonly rc: number; readonly error: readonly string[] }
}

const skip = !hasVector('ostree') && 'no ostree vectors'
const { deltas } = readJsonVector<{ deltas: Record<string, Verdict> }>('ostree', 'expected.json')
const deltaPath = (name: string): string => vectorPath('ostree', 'deltas', name)

/** Unpacked here, for all tests. */
const archive = skip === false ? ostreeVector('archive') : ''

const pullBase = (repository: Repository, ref: string): Promise<OstreePullResult> =>
  pullOstreeCommit(repository, async () => openLocalOstree(archive), { ref, parity: true, threads: 0 })

async function repositoryWith(t: TestContext, base: string | null): Promise<Repository> {
  const repository = await temporaryRepository(t)
  if (base !== null) await pullBase(repository, base)
  return repository
}

const commits = (repository: Repository): string[] =>
  repository.streams
    .entries()
    .map(({ name }) => name)
    .filter((name) => name.startsWith('ostree-commit-'))

/** The digest of a splitstream is another than the reference's (repository.md §3.8). */
const comparable = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('verity  '))

for (const [name, { needs_base, rc, stdout, error, without_base }] of Object.entries(deltas)) {
  test(`${name}: the reference's output, with and without its base`, { skip }, async (t) => {
    const repository = await repositoryWith(t, needs_base)
    const before = commits(repository)
    const words = ['--repo', repository.path, 'ostree', 'apply-delta', deltaPath(name)]
    const ran = await sluice(words, { env: { SLUICE_PARITY: '1' } })
    assert.equal(ran.status === 0, rc === 0, ran.stderr)
    if (rc === 0) assert.deepEqual(comparable(ran.stdout.split('\n').slice(0, -1)), comparable(stdout))
    else {
      assert.deepEqual([ran.stdout, ran.stderr.split('\n')[0]], ['', error[0]])
      assert.deepEqual(commits(repository), before)
    }
    assert.deepEqual(repository.streams.refs('ostree'), [])

    if (without_base.rc === 0) return
    const empty = await temporaryRepository(t)
    const refused = applyDeltaFile(empty, deltaPath(name))
    await assert.rejects(refused, { message: without_base.error[0].slice('Error: '.length) })
    assert.deepEqual(commits(empty), [])
  })
}

async function payloadOf(repository: Repository, commit: string): Promise<Buffer> {
  const name = commitStreamName(commit as Superblock['to'])
  const stream = repository.openStream(name)
  try {
    return await readInline(stream, name)
  } finally {
    stream.close()
  }
}

test('the commit stream is that of a pull; the second time nothing is done', { skip }, async (t) => {
  const { needs_base } = deltas['diff-inline.delta']
  const repository = await repositoryWith(t, needs_base)
  const first = await applyDeltaFile(repository, deltaPath('diff-inline.delta'), { parity: true })
  const pulled = await temporaryRepository(t)
  const direct = await pullBase(pulled, first.commit)
  assert.deepEqual([first.image, first.verity], [direct.image, direct.verity])
  assert.deepEqual(await payloadOf(repository, first.commit), await payloadOf(pulled, first.commit))
  const again = await applyDeltaFile(repository, deltaPath('diff-fallback.delta'), { parity: true })
  assert.deepEqual([again.image, again.fetched], [first.image, { metadata: 0, files: 0, deltaParts: 0 }])
  assert.equal(again.verity, repository.streams.objectOf(commitStreamName(first.commit)))
})

const superblockType = parseType<[Dictionary, ...unknown[]]>('(a{sv}tayay(a{sv}aya(say)sstayay)aya(uayttay)a(yaytt))')

/** A copy of a delta with parts inline, which says another byte order, and that its parts and their objects have `size` bytes. */
function withSizes(t: TestContext, name: string, order: string | undefined, size: bigint): string {
  const [metadata, ...rest] = readValue(superblockType, readFileSync(deltaPath(name)))
  const parts = rest[5] as readonly unknown[][]
  rest[5] = parts.map(([version, digest, , , objects]) => [version, digest, size, 1n, objects])
  const changed = metadata.filter(([key]) => key !== 'ostree.endianness')
  if (order !== undefined) changed.push(['ostree.endianness', variant('y', order.charCodeAt(0))])
  const path = join(temporaryDirectory(t), name)
  writeFileSync(path, writeValue(superblockType, [changed, ...rest]))
  return path
}

test('the sizes in a superblock count for nothing, nor does their byte order', { skip }, async (t) => {
  const name = 'diff-inline.delta'
  for (const [order, size] of [
    // What xz adds makes a small part larger than its objects.
    [undefined, 100n],
    [undefined, 2n ** 53n],
    ['B', 100n],
    ['l', 2n ** 63n],
    ['X', 100n],
  ] as const) {
    const repository = await repositoryWith(t, deltas[name].needs_base)
    const { image } = await applyDeltaFile(repository, withSizes(t, name, order, size), { parity: true })
    assert.ok(deltas[name].stdout.includes(`image   ${image}`), `${order} ${size}`)
  }
})

test('without native code parts are decompressed by the program xz', { skip }, async (t) => {
  const repository = await temporaryRepository(t)
  const env = { SLUICE_PARITY: '1', SLUICE_NATIVE: 'off' }
  const words = ['--insecure', '--repo', repository.path, 'ostree', 'apply-delta', deltaPath('scratch-inline.delta')]
  const ran = await sluice(words, { env })
  assert.equal(ran.status, 0, ran.stderr)
  assert.deepEqual(comparable(ran.stdout.split('\n').slice(0, -1)), comparable(deltas['scratch-inline.delta'].stdout))
  const other = await temporaryRepository(t)
  words[2] = other.path
  const none = await sluice(words, { env: { ...env, PATH: temporaryDirectory(t) } })
  assert.equal(none.status, 7, none.stderr)
  assert.match(none.stderr, /nothing to decompress xz with.*\n.*liblzma/s)
})

function superblockOf(file: Buffer): Superblock {
  return readSuperblock({
    size: file.length,
    read: (offset, length) => file.subarray(offset, offset + length),
  })
}

/** A copy of the delta in a directory, which may be changed. */
function copyOfDirectory(t: TestContext): string {
  const copy = join(temporaryDirectory(t), 'delta')
  cpSync(deltaPath('diff-dir'), copy, { recursive: true })
  return copy
}

const damages: readonly (readonly [string, (directory: string) => void, SluiceError['code']])[] = [
  ['a part is missing', (path) => rmSync(join(path, '0')), 'SLUICE_NOT_FOUND'],
  ['a part is cut', (path) => cut(join(path, '0')), 'SLUICE_DIGEST_MISMATCH'],
  ['a part is changed', (path) => flip(join(path, '0'), 1000), 'SLUICE_DIGEST_MISMATCH'],
  ['a part is empty', (path) => writeFileSync(join(path, '0'), ''), 'SLUICE_DIGEST_MISMATCH'],
  [
    'a part is a directory',
    (path) => {
      rmSync(join(path, '0'))
      mkdirSync(join(path, '0'))
    },
    'SLUICE_FORMAT',
  ],
  ['the superblock is missing', (path) => rmSync(join(path, 'superblock')), 'SLUICE_NOT_FOUND'],
  ['the superblock is cut', (path) => cut(join(path, 'superblock')), 'SLUICE_FORMAT'],
  ['the superblock is empty', (path) => writeFileSync(join(path, 'superblock'), ''), 'SLUICE_FORMAT'],
  ['the commit is another', swapCommit, 'SLUICE_DIGEST_MISMATCH'],
  ['an object is said to be another', otherObject, 'SLUICE_DIGEST_MISMATCH'],
]

function cut(path: string): void {
  writeFileSync(path, readFileSync(path).subarray(0, -1))
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] ^= 1
  writeFileSync(path, bytes)
}

/** Its time, which is before the two ids in it. */
function swapCommit(directory: string): void {
  const path = join(directory, 'superblock')
  const bytes = readFileSync(path)
  const { commit } = superblockOf(bytes)
  flip(path, bytes.indexOf(commit) + commit.indexOf(Buffer.alloc(4)) + 7)
}

function otherObject(directory: string): void {
  const path = join(directory, 'superblock')
  const bytes = readFileSync(path)
  const { id } = superblockOf(bytes).parts[0].objects.at(0)
  flip(path, bytes.indexOf(Buffer.from(id, 'hex')) + 31)
}

for (const [what, damage, code] of damages) {
  test(`${what}: an error that says so, and nothing registered`, { skip }, async (t) => {
    const path = copyOfDirectory(t)
    damage(path)
    const repository = await repositoryWith(t, deltas['diff-dir'].needs_base)
    const before = commits(repository)
    await assert.rejects(applyDeltaFile(repository, path, { parity: true }), (error: unknown) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, code, error.message)
      assert.ok(error.message.includes(path), error.message)
      return true
    })
    assert.deepEqual(commits(repository), before)
  })
}

test('a path that cannot be one is told as such', async (t) => {
  const repository = await temporaryRepository(t)
  const path = 'x'.repeat(5000)
  await assert.rejects(applyDeltaFile(repository, path), {
    name: 'SluiceError',
    code: 'SLUICE_IO',
    message: /cannot open x/,
  })
})

test('a cancelled run registers nothing', { skip }, async (t) => {
  const repository = await temporaryRepository(t)
  const applied = applyDeltaFile(repository, deltaPath('scratch-inline.delta'), { signal: AbortSignal.abort() })
  await assert.rejects(applied, { code: 'SLUICE_CANCELLED' })
  assert.deepEqual(commits(repository), [])
})

test('liblzma is in use where it is installed', { skip: process.env['SLUICE_NATIVE'] === 'off' && 'it is off' }, () => {
  assert.equal(lzmaUsable(), true)
})
