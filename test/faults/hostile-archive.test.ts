/** Images that try to read or write outside the repository: each is refused, or stays inside its own file tree. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { toByteString } from '../../src/formats/bytes.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import type { Repository } from '../../src/repository/repository.js'
import { MAX_IMAGE_SIZE } from '../../src/formats/erofs/format.js'
import { openArchiveFiles } from '../../src/stages/fetch/oci-archive.js'
import { sluice } from '../helpers/cli.js'
import { HostileLayout } from '../helpers/hostile-layout.js'
import { never } from '../helpers/registry-client.js'
import { directory, entry, header, magic, pax, tarOf } from '../helpers/tar-build.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const body = 'x'.repeat(100)
const file = (name: string) => entry({ name }, body)
const link = (name: string, target: string, flag = '2') => entry({ name, flag, link: target })

/** Absolute paths of the one image of a repository. */
function imagePaths(repository: Repository): string[] {
  const [{ name }] = repository.images.entries().filter(({ name }) => name !== 'refs')
  const image = repository.objects.read(repository.findImage(name), MAX_IMAGE_SIZE)
  return [...writeDumpfile(loadErofsTree(openErofs(image)))].map((line) => line.slice(0, line.indexOf(' ')))
}

async function refused(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  })
}

interface Case {
  readonly name: string
  /** Entries; `outside` is the absolute path of the folder that must stay as it is. */
  readonly parts: (outside: string) => Buffer[]
  /** What the image has then, or how it is refused. */
  readonly has?: (outside: string) => string[]
  readonly problem?: RegExp
}

const parentsOf = (path: string) =>
  path
    .split('/')
    .slice(1, -1)
    .map((_, i, names) => `/${names.slice(0, i + 1).join('/')}`)
const withParents = (path: string) => [...parentsOf(path), path]

const cases: readonly Case[] = [
  {
    name: 'a name that begins with ..',
    parts: () => [file('../../outside/made')],
    problem: /"\.\." inside a path/,
  },
  {
    name: 'a name with .. in the middle',
    parts: () => [file('usr/../../outside/made')],
    problem: /"\.\." inside a path/,
  },
  { name: 'a name that is ..', parts: () => [file('..')], problem: /the root must be a directory/ },
  {
    name: 'a directory that is ..',
    parts: () => [directory('usr/../..', { mode: '0000700\0' })],
    has: () => [],
  },
  {
    name: 'a long name with ..',
    parts: () => [pax(['path', `${'a/'.repeat(200)}../x`]), file('a')],
    problem: /inside a path/,
  },
  {
    name: 'an absolute name',
    parts: (outside) => [file(`${outside}/made`)],
    has: (outside) => withParents(`${outside}/made`),
  },
  {
    name: 'a file through a symlink to an absolute path',
    parts: (outside) => [link('usr/l', outside), file('usr/l/made')],
    has: (outside) => [...withParents(`${outside}/made`), '/usr/l'],
  },
  {
    name: 'a file through a symlink of many ..',
    parts: () => [link('usr/l', '../../../../../../../../srv/escape'), file('usr/l/made')],
    has: () => ['/srv', '/srv/escape', '/srv/escape/made', '/usr/l'],
  },
  {
    name: 'a parent that turns into a symlink',
    parts: (outside) => [directory('usr/d'), link('usr/d', outside), file('usr/d/made')],
    has: (outside) => [...withParents(`${outside}/made`), '/usr/d'],
  },
  {
    name: 'a hard link to an absolute path',
    parts: (outside) => [link('usr/h', `${outside}/secret`, '1')],
    problem: /not exist/,
  },
  {
    name: 'a hard link to ..',
    parts: () => [link('usr/h', '../outside/secret', '1')],
    problem: /"\.\." inside a path/,
  },
  {
    name: 'a hard link through a symlink',
    parts: (outside) => [link('usr/l', outside), link('usr/h', 'usr/l/secret', '1')],
    problem: /not exist/,
  },
  {
    name: 'devices, a FIFO, and a whiteout of its own',
    parts: () => [
      header({ name: 'usr/null', flag: '3', major: '0000001\0', minor: '0000003\0' }),
      header({ name: 'usr/disk', flag: '4', major: '0000010\0', minor: '0000000\0' }),
      header({ name: 'usr/pipe', flag: '6' }),
    ],
    has: () => ['/usr/disk', '/usr/null', '/usr/pipe'],
  },
  { name: 'a whiteout of ..', parts: () => [file('usr/.wh...')], has: () => [] },
  {
    name: 'an opaque marker below ..',
    parts: () => [file('../.wh..wh..opq')],
    problem: /"\.\." inside a path/,
  },
  {
    name: 'names like those of a repository',
    parts: () => [file('meta.json'), file('objects/aa')],
    has: () => ['/meta.json', '/objects', '/objects/aa'],
  },
  {
    name: 'a NUL in a name',
    parts: () => [entry({ flag: 'L', magic: magic.gnu }, 'usr/a\0/../../x\0'), file('a')],
    problem: /NUL in the name/,
  },
  {
    name: 'a socket',
    parts: () => [entry({ name: 'usr/s', flag: 's' })],
    problem: /not supported/,
  },
]

for (const { name, parts, has, problem } of cases) {
  test(`a layer with ${name}`, async (t) => {
    const layout = await HostileLayout.create(t)
    layout.image([tarOf(...parts(layout.outside))])
    if (has === undefined) {
      await refused(layout.pull(), 'SLUICE_FORMAT', problem!)
      assert.deepEqual(layout.repository.streams.refs(), [])
    } else {
      await layout.pull()
      const expected = new Set(['/', '/usr', ...has(layout.outside)])
      assert.deepEqual(imagePaths(layout.repository), [...expected].sort())
    }
    assert.deepEqual((await checkRepository(layout.repository)).errors, [])
    layout.assertContained()
  })
}

const plain = tarOf(file('usr/a'))

for (const digest of [
  'sha256:../../../outside/secret',
  `sha256:${'../'.repeat(21)}x`,
  `../outside:${'0'.repeat(64)}`,
  'sha256:/etc/passwd',
  `sha256:${'0'.repeat(63)}/`,
  'sha256:..',
  'x:a\0b',
]) {
  test(`a digest with a path: ${JSON.stringify(digest)}`, async (t) => {
    const layout = await HostileLayout.create(t)
    const [manifest] = layout.image([plain])
    layout.index([{ ...manifest, digest, platform: { os: 'linux', architecture: 'amd64' } }])
    await refused(layout.pull(), 'SLUICE_FORMAT', /not a digest/)
    layout.image([plain], { diffIds: [digest] })
    await refused(layout.pull(), 'SLUICE_FORMAT', /not a digest/)
    layout.assertContained()
  })
}

test('a digest of an algorithm that cannot be checked', async (t) => {
  const layout = await HostileLayout.create(t)
  layout.image([plain], { diffIds: [`md5:${'0'.repeat(32)}`] })
  await refused(layout.pull(), 'SLUICE_UNSUPPORTED', /md5 cannot be verified/)
  layout.assertContained()
})

test('blobs that are links: only bytes of the right digest are taken, wherever they lie', async (t) => {
  const layout = await HostileLayout.create(t)
  const [manifest, , layer] = layout.image([plain])
  const replace = (digest: string, target: string): void => {
    rmSync(layout.pathOf(digest))
    symlinkSync(target, layout.pathOf(digest))
  }
  replace(layer.digest, join(layout.outside, 'secret'))
  await refused(layout.pull(), 'SLUICE_SIZE_MISMATCH', /Expected size/)
  replace(layer.digest, '/dev/zero')
  await refused(layout.pull(), 'SLUICE_FORMAT', /not a regular file/)
  replace(layer.digest, 'itself')
  await refused(layout.pull(), 'SLUICE_NOT_FOUND', /no blobs\/sha256/)
  replace(manifest.digest, join(layout.outside, 'secret'))
  await refused(layout.pull(), 'SLUICE_SIZE_MISMATCH', /Expected size/)
  assert.deepEqual(layout.repository.streams.refs(), [])
  layout.assertContained()
})

test('pipes, devices and directories in place of files are not opened for long', { timeout: 120_000 }, async (t) => {
  const layout = await HostileLayout.create(t)
  const blobs = layout.image([plain])
  const places = [join(layout.folder, 'index.json'), ...blobs.map(({ digest }) => layout.pathOf(digest))]
  for (const path of places.reverse()) {
    rmSync(path)
    execFileSync('mkfifo', [path])
    await refused(layout.pull(), 'SLUICE_FORMAT', /not a regular file/)
    rmSync(path)
    mkdirSync(path)
    await refused(layout.pull(), 'SLUICE_FORMAT', /not a regular file/)
  }
  layout.assertContained()
})

for (const tag of ['../../../outside/tag', 'a/../../b', '..%2F..', './x', '.../', 'a//b', '-rf', '\n']) {
  test(`a tag like a path: ${JSON.stringify(tag)}`, async (t) => {
    const layout = await HostileLayout.create(t)
    layout.image([plain])
    await layout.pull(tag)
    assert.equal(layout.repository.streams.refs().length, 1)
    assert.deepEqual((await checkRepository(layout.repository)).errors, [])
    layout.assertContained()
  })
}

test('tags and names that would leave their folder', async (t) => {
  const layout = await HostileLayout.create(t)
  const { repository } = layout
  layout.image([plain])
  for (const tag of ['', '.', '..', '@x', 'a\0b', 'x'.repeat(256)])
    await refused(layout.pull(tag), 'SLUICE_USAGE', /tag /)
  for (const name of ['../../outside/secret', 'refs/../../../outside/secret', '/etc/passwd', 'a/./b', 'a\0', '']) {
    const usage = (error: unknown) => error instanceof SluiceError && error.code === 'SLUICE_USAGE'
    assert.throws(() => repository.openStream(name), usage)
    assert.throws(() => repository.findImage(name), usage)
  }
  layout.assertContained()
})

test('links in the repository name objects, and objects are looked for in it alone', async (t) => {
  const layout = await HostileLayout.create(t)
  const { repository, outside } = layout
  const id = 'ab'.repeat(32)
  const target = join(outside, id.slice(0, 2), id.slice(2))
  mkdirSync(join(repository.path, 'streams'))
  symlinkSync(target, join(repository.path, 'streams/stolen'))
  symlinkSync(join(outside, 'secret'), join(repository.path, 'streams/other'))
  assert.equal(repository.streams.objectOf('stolen'), id)
  assert.throws(
    () => repository.openStream('stolen'),
    (error) => error instanceof SluiceError && error.message.includes(`object ${id} is missing`),
  )
  assert.throws(() => repository.openStream('other'), SluiceError)
  // A pipe in place of an object is not waited for.
  mkdirSync(join(repository.objects.directory, 'ab'), { recursive: true })
  execFileSync('mkfifo', [join(repository.objects.directory, id.slice(0, 2), id.slice(2))])
  assert.throws(() => repository.openStream('stolen'), SluiceError)
  assert.equal(toByteString(repository.objects.read(repository.streams.objectOf('stolen')!, 10)), '')
})

test('an oci-archive: with a size that no number is, or beyond its end', { timeout: 120_000 }, async (t) => {
  const path = join(temporaryDirectory(t), 'archive.tar')
  for (const size of [
    '\xd7\xd9j00000276\0',
    `${'\xff'.repeat(10)}\0\0`,
    `\x80${'\0'.repeat(7)}\x7f\xff\xff\xff`,
    '00000010000\0',
  ]) {
    writeFileSync(path, tarOf(header({ name: 'index.json', size }), Buffer.alloc(512)))
    await refused(openArchiveFiles(path, never), 'SLUICE_FORMAT', /not a tar archive/)
  }
})

test('an archive that is a pipe or a device is refused at once', async (t) => {
  const pipe = join(temporaryDirectory(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', '/']) {
    await refused(openArchiveFiles(path, never), 'SLUICE_FORMAT', /not a regular file/)
  }
})

test('headers of a megabyte for each file take no memory: xattrs that no image keeps, and long ways to short paths', async (t) => {
  const layout = await HostileLayout.create(t)
  const long = 'x'.repeat(1_000_000)
  const parts = Array.from({ length: 80 }, (_, i) => [
    pax(['SCHILY.xattr.user.a', long]),
    file(`usr/with-xattr-${i}`),
    pax(['path', `usr/${'./'.repeat(500_000)}far-away-file-${i}`]),
    file('usr/x'),
  ])
  layout.image([tarOf(...parts.flat())])
  const args = ['--repo', layout.repository.path, '--insecure', 'pull', `oci:${layout.folder}`, 'v1', '--threads', '1']
  const platform = ['--platform', 'linux/amd64']
  const env = { NODE_OPTIONS: '--max-old-space-size=128' }
  const { status, stderr } = await sluice([...args, ...platform], { env })
  assert.equal(status, 0, stderr)
  assert.equal(imagePaths(layout.repository).length, 162)
})
