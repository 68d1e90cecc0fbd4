/** Exports into ostree repositories: what is refused, what is left alone, what is left behind. */
import assert from 'node:assert/strict'
import fs, { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { lookup } from '../../src/formats/gvariant/dictionary.js'
import { readCommit } from '../../src/formats/ostree/commit.js'
import { writeDirmeta } from '../../src/formats/ostree/dirmeta.js'
import { readDirtree } from '../../src/formats/ostree/dirtree.js'
import { readSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { ostreeObjectPath } from '../../src/formats/ostree/object-type.js'
import type { RepositoryMode } from '../../src/formats/ostree/repository-config.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { writeXattrs } from '../../src/formats/ostree/xattrs.js'
import { newDirectory, newLeaf, type LeafContent, type Stat } from '../../src/formats/tree/tree.js'
import { exportOstreeCommit, type OstreeExportOptions } from '../../src/pipelines/export-commit.js'
import { writeXattr } from '../../src/native/xattr.js'
import { makeOstreeCommit } from '../../src/pipelines/make-commit.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { openTarget } from '../../src/stages/ostree-export/target-repository.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { ArchiveWriter } from '../helpers/ostree-archive.js'
import { mockBuiltin } from '../helpers/mock-builtin.js'
import { stagingLeftovers, writableModes } from '../helpers/ostree-export.js'
import { imageOf, statOf, storedFile, treeOf, type TreeFile } from '../helpers/ostree-trees.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

/** A repository with a commit `made` of these files; names of xattrs are kept as they are. */
async function committed(t: TestContext, files: Record<string, TreeFile>): Promise<Repository> {
  const repository = await temporaryRepository(t)
  await makeOstreeCommit(repository, imageOf(repository, treeOf(files)), {
    reference: 'made',
    timestamp: 0n,
    parity: true,
  })
  return repository
}

const text = (data: string): LeafContent => ({ type: 'inline', data: Buffer.from(data) })

async function exporting(
  t: TestContext,
  repository: Repository,
  options: Partial<OstreeExportOptions>,
): Promise<{ path: string; result: ReturnType<typeof exportOstreeCommit> }> {
  const path = join(temporaryDirectory(t), 'exported')
  return { path, result: exportOstreeCommit(repository, { source: 'made', path, ...options }) }
}

test('a target must be an ostree repository, or be made as one', async (t) => {
  const repository = await committed(t, { a: { content: text('1') } })
  const directory = temporaryDirectory(t)
  const fails = (path: string, mode: RepositoryMode | undefined, code: string, message: RegExp) =>
    assert.rejects(exportOstreeCommit(repository, { source: 'made', path, ...(mode && { mode }) }), { code, message })

  await fails(join(directory, 'none'), undefined, 'SLUICE_NOT_FOUND', /there is no ostree repository at .*none$/)
  mkdirSync(join(directory, 'empty'))
  await fails(join(directory, 'empty'), undefined, 'SLUICE_NOT_FOUND', /there is no ostree repository/)
  mkdirSync(join(directory, 'other/home'), { recursive: true })
  await fails(join(directory, 'other'), 'archive', 'SLUICE_NOT_FOUND', /other is not an ostree repository/)
  writeFileSync(join(directory, 'file'), '')
  await fails(join(directory, 'file'), 'archive', 'SLUICE_NOT_FOUND', /file is not an ostree repository/)
  assert.deepEqual(readdirSync(join(directory, 'other')), ['home'])

  const path = join(directory, 'empty')
  await exportOstreeCommit(repository, { source: 'made', path, mode: 'archive' })
  assert.equal(readFileSync(join(path, 'config'), 'utf8'), '[core]\nrepo_version=1\nmode=archive-z2\n')
  await fails(path, 'bare-user-only', 'SLUICE_USAGE', /is of mode archive, not bare-user-only/)
  await assert.rejects(exportOstreeCommit(repository, { source: 'other', path }), { code: 'SLUICE_NOT_FOUND' })
})

test('a repository whose making was broken off is made, and nothing else', async (t) => {
  const repository = await committed(t, { a: { content: text('1') } })
  const directory = temporaryDirectory(t)
  for (const [name, left] of Object.entries({ few: 'objects', all: 'refs/heads', cut: 'tmp/sluice-config-1' })) {
    const path = join(directory, name)
    mkdirSync(join(path, left), { recursive: true })
    await assert.rejects(exportOstreeCommit(repository, { source: 'made', path }), { code: 'SLUICE_NOT_FOUND' })
    const { written } = await exportOstreeCommit(repository, { source: 'made', path, mode: 'archive' })
    assert.equal(written.files, 1)
  }
  for (const used of ['objects/00', 'refs/heads/main', 'refs/other', 'state/x', 'home']) {
    const path = join(directory, 'used', used.replaceAll('/', '-'))
    mkdirSync(join(path, used), { recursive: true })
    const exported = exportOstreeCommit(repository, { source: 'made', path, mode: 'archive' })
    await assert.rejects(exported, { code: 'SLUICE_NOT_FOUND', message: /is not an ostree repository/ })
  }
})

test('two that make a repository at once make one', async (t) => {
  const repository = await committed(t, { a: { content: text('1') } })
  const { mkdirSync } = fs
  for (const broken of ['objects', 'refs/heads']) {
    const { path, result } = await exporting(t, repository, {})
    await assert.rejects(result, { code: 'SLUICE_NOT_FOUND' })
    let calls = 0
    const replaced = fs as { mkdirSync: (...args: Parameters<typeof mkdirSync>) => unknown }
    const restore = mockBuiltin(t, replaced, 'mkdirSync', (...args) => {
      calls++
      if (args[0] !== join(path, broken)) return mkdirSync(...args)
      restore()
      const absent = Object.assign(new Error('ENOENT: no such file or directory'), { code: 'ENOENT' })
      openTarget(path, 'archive')
      throw absent
    })
    const { commit } = await exportOstreeCommit(repository, {
      source: 'made',
      path,
      reference: 'made',
      mode: 'archive',
    })
    assert.ok(calls > 0)
    assert.equal(readFileSync(join(path, 'refs/heads/made'), 'utf8'), `${commit}\n`)
  }
})

test('refs: what ostree would not take, what is in the way, what is replaced', async (t) => {
  const repository = await committed(t, { a: { content: text('1') } })
  for (const reference of ['', '-x', 'a//b', '../x', 'a:b', 'a b', '/a']) {
    const { path, result } = await exporting(t, repository, { reference, mode: 'archive' })
    await assert.rejects(result, { code: 'SLUICE_USAGE', message: /ostree does not take/ })
    assert.throws(() => lstatSync(path), { code: 'ENOENT' })
  }
  const { path, result } = await exporting(t, repository, { reference: 'a/b', mode: 'archive' })
  const { commit } = await result
  for (const reference of ['a', 'a/b/c']) {
    await assert.rejects(exportOstreeCommit(repository, { source: 'made', path, reference }), {
      code: 'SLUICE_USAGE',
      message: /another one is in its way/,
    })
  }
  writeFileSync(join(path, 'refs/heads/a/b'), `${'0'.repeat(64)}\n`)
  await exportOstreeCommit(repository, { source: 'made', path, reference: 'a/b' })
  assert.equal(readFileSync(join(path, 'refs/heads/a/b'), 'utf8'), `${commit}\n`)
  assert.deepEqual(stagingLeftovers(path), [])
})

test('what is there is not written again, and a commit is no longer said to be partial', async (t) => {
  const files = { a: { content: text('1') }, b: { content: text('2') } }
  const repository = await committed(t, files)
  const { path, result } = await exporting(t, repository, { mode: 'archive' })
  const { commit, written } = await result
  assert.deepEqual(written, { files: 2, metadata: 3 })
  writeFileSync(join(path, 'state', `${commit}.commitpartial`), '')
  const paths = readdirSync(join(path, 'objects'), { recursive: true, encoding: 'utf8' })
  const inodes = () => paths.map((name) => lstatSync(join(path, 'objects', name)).ino)
  const before = inodes()
  const again = await exportOstreeCommit(repository, { source: 'made', path })
  assert.deepEqual(again.written, { files: 0, metadata: 0 })
  assert.deepEqual(inodes(), before)
  assert.deepEqual(readdirSync(join(path, 'state')), [])
  // One file more, and with it another root.
  const image = imageOf(repository, treeOf({ ...files, c: { content: text('3') } }))
  await makeOstreeCommit(repository, image, { reference: 'more', timestamp: 0n })
  const more = await exportOstreeCommit(repository, { source: 'more', path })
  assert.deepEqual(more.written, { files: 1, metadata: 2 })
})

test('xattrs that are not in order are stored and hashed so; some repositories have them hashed in order', async (t) => {
  const modes = (['bare-user', 'bare-split-xattrs'] as const).filter((mode) => writableModes().includes(mode))
  if (modes.length === 0) return t.skip('no mode that stores xattrs can be written here')
  const xattrs = ['user.b\0', 'user.a\0'].map((name) => [Buffer.from(name), Buffer.from('1')] as const)
  for (const hashed of [xattrs, xattrs.toReversed()]) {
    const directory = temporaryDirectory(t)
    const archive = new ArchiveWriter(directory)
    const own = { uid: 0, gid: 0, xattrs: hashed }
    const content = noise(2_000_000, 'unsorted')
    const ids = {
      file: archive.file({ ...own, mode: 0o100644, target: '', size: content.length }, content),
      link: archive.file({ ...own, mode: 0o120777, target: 'file', size: 0 }, Buffer.alloc(0)),
    }
    const tree = archive.dirtree({ files: Object.entries(ids).map(([name, id]) => ({ name, id })), directories: [] })
    archive.commit('made', { tree, meta: archive.dirmeta({ ...own, mode: 0o40755 }) })
    const pull = (repository: Repository, path: string) =>
      pullOstreeCommit(repository, async () => openLocalOstree(path), { ref: 'made', threads: 0 })
    const repository = await temporaryRepository(t)
    const { image } = await pull(repository, directory)
    for (const mode of modes) {
      const { path, result } = await exporting(t, repository, { mode, reference: 'made' })
      await result
      for (const [name, id] of Object.entries(ids)) {
        const mode = name === 'link' ? 0o120777 : 0o100644
        const object = join(path, ostreeObjectPath(id, 'file'))
        const link = join(path, ostreeObjectPath(id, 'file-xattrs-link'))
        if (existsSync(link)) writeFileSync(link, writeXattrs(xattrs))
        else writeXattr(object, 'user.ostreemeta', writeDirmeta({ ...own, xattrs, mode }))
      }
      assert.equal((await pull(await temporaryRepository(t), path)).image, image, mode)
    }
  }
})

test('a damaged object is found before anything is stored', async (t) => {
  const repository = await temporaryRepository(t)
  const content = storedFile(repository, noise(5000, 'damaged'))
  const image = imageOf(repository, treeOf({ file: { content }, other: { content: text('1') } }))
  await makeOstreeCommit(repository, image, { reference: 'made' })
  assert.ok(content.type === 'external')
  for (const bytes of [noise(5000, 'x'), noise(4999, 'damaged'), noise(5001, 'damaged')]) {
    writeFileSync(repository.objects.path(content.id), bytes)
    for (const mode of writableModes()) {
      const { path, result } = await exporting(t, repository, { mode, reference: 'made' })
      await assert.rejects(result, { code: 'SLUICE_CORRUPT', message: /\/file: file [0-9a-f]{64} has/ })
      assert.deepEqual(readdirSync(join(path, 'objects')), [])
      assert.deepEqual(readdirSync(join(path, 'refs/heads')), [])
      assert.deepEqual(stagingLeftovers(path), [])
    }
  }
  rmSync(repository.objects.path(content.id))
  const { result } = await exporting(t, repository, { mode: 'archive' })
  await assert.rejects(result, { code: 'SLUICE_CORRUPT', message: /is missing/ })
})

/** Files that not every mode holds, and why. */
const objections: readonly [mode: RepositoryMode, stat: Partial<Stat>, message: RegExp, target?: string][] = [
  ['bare-user-only', { uid: 1 }, /bare-user-only cannot hold \/file, which belongs to 1:0/],
  ['bare-user-only', { gid: 5 }, /which belongs to 0:5/],
  ['bare-user-only', { mode: 0o4755 }, /which has the permissions 04755/],
  ['bare-user-only', { mode: 0o666 }, /which has the permissions 0666/],
  ['bare-user-only', { xattrs: new Map([['user.a\0', '1']]) }, /which has xattrs/],
  ['bare', { xattrs: new Map([['user.a', '1']]) }, /whose name does not end with its one zero byte/],
  ['bare', { xattrs: new Map([['user.a\0', '']]) }, /xattr without value/],
  // What the system would leave as it is, and then the object would not be what its id says.
  ...(['bare', 'bare-split-xattrs'] as const).flatMap((mode): typeof objections => [
    [mode, { uid: 2 ** 32 - 1 }, /which belongs to 4294967295:0, as no file can/],
    [mode, { gid: 2 ** 32 - 1 }, /which belongs to 0:4294967295, as no file can/],
    [mode, { mode: 0o755 }, /which is a symlink with the permissions 0755/, 'x'],
  ]),
  ['bare-user-only', { mode: 0o755 }, /which is a symlink with the permissions 0755/, 'x'],
]

for (const [mode, stat, message, target] of objections) {
  test(`mode ${mode} does not take a file that ${message.source}`, async (t) => {
    const content: LeafContent = target === undefined ? text('1') : { type: 'symlink', target }
    const repository = await committed(t, { file: { content, stat } })
    const { path, result } = await exporting(t, repository, { mode })
    await assert.rejects(result, { code: 'SLUICE_UNSUPPORTED', message })
    assert.deepEqual(readdirSync(join(path, 'objects')), [])
    assert.deepEqual(stagingLeftovers(path), [])
  })
}

test('an archive gets no device number, though the file came with one', async (t) => {
  const directory = temporaryDirectory(t)
  const archive = new ArchiveWriter(directory)
  const own = { uid: 0, gid: 0, xattrs: [] }
  const file = archive.file({ ...own, mode: 0o100644, target: '', size: 1 }, Buffer.from('1'))
  const tree = archive.dirtree({ files: [{ name: 'a', id: file }], directories: [] })
  archive.commit('made', { tree, meta: archive.dirmeta({ ...own, mode: 0o40755 }) })
  const object = ostreeObjectPath(file, 'filez')
  const bytes = readFileSync(join(directory, object))
  // Behind the prefix, the size, the owners and the mode; no id covers it.
  bytes.writeUInt32BE(259, 8 + 8 + 12)
  writeFileSync(join(directory, object), bytes)
  const repository = await temporaryRepository(t)
  await pullOstreeCommit(repository, async () => openLocalOstree(directory), { ref: 'made', threads: 0 })
  const { path, result } = await exporting(t, repository, { mode: 'archive' })
  await result
  bytes.writeUInt32BE(0, 8 + 8 + 12)
  assert.deepEqual(readFileSync(join(path, object)).subarray(0, 34), bytes.subarray(0, 34))
})

test('an xattr that no file can have here is named', async (t) => {
  if (!writableModes().includes('bare')) return t.skip('a repository of mode bare cannot be written here')
  const repository = await committed(t, {
    link: { content: { type: 'symlink', target: 'x' }, stat: { mode: 0o777, xattrs: new Map([['user.a\0', '12']]) } },
  })
  const { path, result } = await exporting(t, repository, { mode: 'bare' })
  const message = /\/link: the file system refuses the xattr user\.a of 2 bytes: .*EPERM/
  await assert.rejects(result, { code: 'SLUICE_UNSUPPORTED', message })
  assert.deepEqual(stagingLeftovers(path), [])
})

test('an export can be cancelled', async (t) => {
  const repository = await committed(t, { a: { content: text('1') } })
  const { path, result } = await exporting(t, repository, { mode: 'archive', signal: AbortSignal.abort() })
  await assert.rejects(result, { code: 'SLUICE_CANCELLED' })
  assert.equal(existsSync(path), false)
})

/** Files that no commit holds, and why. */
const refusals: readonly [name: string, content: LeafContent, message: RegExp][] = [
  ['device', { type: 'chr', rdev: 259 }, /\/device: ostree has no devices/],
  ['disk', { type: 'blk', rdev: 259 }, /\/disk: ostree has no devices/],
  ['pipe', { type: 'fifo' }, /\/pipe: ostree has no named pipes/],
  ['socket', { type: 'sock' }, /\/socket: ostree has no sockets/],
  ['sparse', { type: 'sparse', size: 5 }, /\/sparse: Sparse files not supported in ostree commit/],
  ['\xff', text('1'), /its name is not UTF-8/],
  ['link', { type: 'symlink', target: '\xff' }, /\/link: its target is not UTF-8/],
]

for (const [name, content, message] of refusals) {
  test(`no commit is made of an image with ${JSON.stringify(name)}`, async (t) => {
    const repository = await temporaryRepository(t)
    const root = treeOf({ a: { content: text('1') } })
    const below = newDirectory(statOf(0o755))
    below.entries.set(name, newLeaf(statOf(0o644), content))
    root.entries.set('below', below)
    const image = imageOf(repository, root)
    const made = makeOstreeCommit(repository, image, { reference: 'made' })
    await assert.rejects(made, { code: 'SLUICE_UNSUPPORTED', message })
    assert.deepEqual(repository.streams.entries(), [])
    assert.deepEqual(repository.streams.refs('ostree'), [])
  })
}

test('a commit has its subject, time and ref, links once, and contents by their size', async (t) => {
  const repository = await temporaryRepository(t)
  const root = treeOf({
    small: { content: text('x'.repeat(64)) },
    // Inline in the image, and too large for that in the commit.
    middle: { content: text('x'.repeat(65)) },
    // An object in the image, and small enough to be inline in the commit.
    stored: { content: storedFile(repository, Buffer.from('stored')) },
    large: { content: storedFile(repository, noise(5000, 'large')) },
    link: { content: { type: 'symlink', target: 'small' } },
  })
  root.entries.set('hard', root.entries.get('large')!)
  const image = imageOf(repository, root)
  const made = await makeOstreeCommit(repository, image, { reference: 'a/b', subject: 'S', timestamp: 7n })
  assert.deepEqual([made.tag, made.image], ['a/b', image])
  const stored = await readStoredCommit(repository, 'refs/ostree/a%2Fb')
  assert.equal(stored.commit, made.commit)
  const commit = readCommit(stored.get(made.commit)!.data)
  assert.deepEqual([commit.subject, commit.body, commit.timestamp, commit.parent], ['S', '', 7n, undefined])
  assert.equal(lookup(commit.metadata, 'ostree.ref-binding')?.type, 'as')
  const { files } = readDirtree(stored.get(commit.tree)!.data)
  assert.deepEqual(
    files.map(({ name, id }) => {
      const { data, external } = stored.get(id)!
      const { header, rest } = readSizedZlibHeader(data)
      return [name, header.mode.toString(8), header.size, header.target, rest.length, external !== undefined]
    }),
    [
      ['hard', '100644', 5000, '', 0, true],
      ['large', '100644', 5000, '', 0, true],
      ['link', '120644', 0, 'small', 0, false],
      ['middle', '100644', 65, '', 0, true],
      ['small', '100644', 64, '', 64, false],
      ['stored', '100644', 6, '', 6, false],
    ],
  )
  assert.equal(files[0].id, files[1].id)
  assert.equal(new Set(stored.externals).size, 2)

  const unnamed = await makeOstreeCommit(repository, image)
  const seconds = readCommit(
    (await readStoredCommit(repository, commitStreamName(unnamed.commit))).get(unnamed.commit)!.data,
  )
  assert.ok(Math.abs(Number(seconds.timestamp) - Date.now() / 1000) < 600)
  assert.deepEqual(seconds.metadata, [])
  await assert.rejects(makeOstreeCommit(repository, 'refs/none'), { code: 'SLUICE_NOT_FOUND' })
  await assert.rejects(makeOstreeCommit(repository, image, { reference: 'a//b' }), { code: 'SLUICE_USAGE' })
})
