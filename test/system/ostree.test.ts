/** Commits made, served and checked by the real ostree. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createReadStream, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { writeArchive } from '../helpers/ostree-archive.js'
import { stagingLeftovers } from '../helpers/ostree-export.js'
import {
  comparableLines,
  missing,
  missingForSluice,
  mountTools,
  rootLines,
  runOk,
  scratchFolder,
  sluiceIsReplaced,
  ToolRepository,
} from '../helpers/system-run.js'
import { noise, writeBaseLayer } from '../helpers/system-rootfs.js'
import { compareTrees, isCapability, listTree } from '../helpers/system-tree.js'

/** cfsctl's image ids (ostree.md §5.2), whichever tool runs. */
const parity = { SLUICE_PARITY: '1' }

describe('ostree', { skip: missing(...mountTools, 'ostree') }, () => {
  const scratch = scratchFolder('ostree')
  const tree = join(scratch, 'tree')
  const repo = (mode: string): string => join(scratch, `source-${mode}`)
  const ostree = (mode: string, ...args: string[]): Promise<Buffer> =>
    runOk('ostree', [`--repo=${repo(mode)}`, ...args])
  const modes = ['archive', 'bare', 'bare-user']

  async function commitEverywhere(subject: string): Promise<void> {
    for (const mode of modes) {
      const options = ['--timestamp=2024-01-01 00:00:00 +0000', `--subject=${subject}`]
      await ostree(mode, 'commit', '--branch=test/main', `--tree=dir=${tree}`, ...options)
    }
  }

  /** The archive repository over HTTP. */
  const server = createServer((request, response) => {
    const path = join(repo('archive'), new URL(request.url ?? '/', 'http://x').pathname)
    createReadStream(path)
      .on('error', () => response.writeHead(404).end())
      .pipe(response)
  })
  let url: string

  before(async () => {
    await writeBaseLayer(tree)
    // ostree holds neither devices nor names that are no UTF-8.
    for (const device of ['fifo', 'null', 'disk']) rmSync(join(tree, 'var/lib', device))
    const documents = join(tree, 'usr/share/doc')
    for (const name of readdirSync(documents, { encoding: 'buffer' })) {
      if (name.toString('utf8').includes('\uFFFD')) rmSync(Buffer.concat([Buffer.from(`${documents}/`), name]))
    }
    for (const mode of modes) await ostree(mode, 'init', `--mode=${mode}`)
    await commitEverywhere('first')
    await ostree('archive', 'summary', '--update')
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())

  let count = 0
  const init = (tool: 'sluice' | 'cfsctl', env: Record<string, string> = parity): Promise<ToolRepository> =>
    ToolRepository.init(tool, join(scratch, `repository-${count++}`), { env })

  /** Runs the same commands with both tools, each in its repository, and compares what they print. */
  async function same(both: readonly ToolRepository[], ...args: string[]): Promise<string> {
    const [ours = '', theirs = ''] = await Promise.all(both.map((repository) => repository.ok(...args)))
    assert.deepEqual(comparableLines(ours), comparableLines(theirs), args.join(' '))
    return ours
  }

  for (const mode of modes) {
    test(`pulls from a local ${mode} repository`, async () => {
      const both = [await init('sluice'), await init('cfsctl')]
      await same(both, 'ostree', 'pull-local', repo(mode), 'test/main')
      await same(both, 'ostree', 'compute-id', 'test/main')
      const dump = await same(both, 'ostree', 'dump', 'test/main')
      for (const repository of both) {
        assert.match(await repository.other.ok('fsck'), /^status: ok$/m)
        assert.equal(await repository.other.ok('ostree', 'dump', 'test/main'), dump)
        assert.match(
          await repository.other.ok('ostree', 'pull-local', repo(mode), 'test/main'),
          /objects 0 metadata \+ 0 files/,
        )
        assert.match(await repository.other.ok('gc'), /^Objects: /)
        assert.equal(await repository.ok('ostree', 'dump', 'test/main'), dump)
      }
    })
  }

  test('what is mounted is what ostree checks out', { skip: missingForSluice() }, async () => {
    const repository = await init('sluice', {})
    await repository.ok('ostree', 'pull-local', repo('bare'), 'test/main')
    const [mountPoint, checkout] = [join(scratch, 'mounted'), join(scratch, 'checkout')]
    mkdirSync(mountPoint)
    await repository.ok('ostree', 'mount', 'test/main', mountPoint)
    await ostree('bare', 'checkout', 'test/main', checkout)
    const xattr = (name: string): boolean => isCapability(name) || name.startsWith('user.')
    const options = { xattr, timesAndLinks: false }
    const expected = await listTree(checkout, options)
    assert.ok([...expected.values()].some((line) => line.includes('security.capability')))
    assert.deepEqual(compareTrees(await listTree(mountPoint, options), expected), [])
  })

  for (const mode of ['archive', 'bare', 'bare-user', 'bare-split-xattrs']) {
    // The reference writes neither archives nor split xattrs, and no commit with xattrs into bare (ostree.md §6).
    const skip = mode === 'bare-user' ? false : missingForSluice()
    test(`ostree takes an exported repository of mode ${mode} for its own`, { skip }, async () => {
      const repository = await init('sluice')
      await repository.ok('ostree', 'pull-local', repo('archive'), 'test/main')
      const target = join(scratch, `exported-${mode}`)
      const exported = (...args: string[]): Promise<Buffer> => runOk('ostree', [`--repo=${target}`, ...args])
      // Into one of ostree's, and into one that is made.
      if (mode === 'bare-user') await exported('init', `--mode=${mode}`)
      const making = mode === 'bare-user' ? [] : ['--mode', mode]
      await repository.ok('ostree', 'export', ...making, '--reference', 'test/main', 'test/main', target)
      await exported('fsck')
      assert.deepEqual(await exported('rev-parse', 'test/main'), await ostree('archive', 'rev-parse', 'test/main'))

      const [ours, theirs] = [`ours-${mode}`, `theirs-${mode}`].map((name) => join(scratch, name))
      await exported('checkout', 'test/main', ours)
      await ostree('bare', 'checkout', 'test/main', theirs)
      const options = { xattr: () => true, timesAndLinks: false }
      assert.deepEqual(compareTrees(await listTree(ours, options), await listTree(theirs, options)), [])

      const both = [await init('sluice'), await init('cfsctl')]
      await same(both, 'ostree', 'pull-local', target, 'test/main')
      assert.equal(
        await both[1].ok('ostree', 'compute-id', 'test/main'),
        await repository.ok('ostree', 'compute-id', 'test/main'),
      )
    })
  }

  test(
    'what ostree prunes, an export brings back; a bare-user-only repository',
    { skip: missingForSluice() },
    async () => {
      const repository = await init('sluice')
      const plain = join(scratch, 'plain')
      const target = join(scratch, 'exported-bare-user-only')
      const exported = (...args: string[]): Promise<Buffer> => runOk('ostree', [`--repo=${target}`, ...args])
      const options = ['--branch=plain', `--tree=dir=${tree}`, '--canonical-permissions', '--no-xattrs']
      await runOk('ostree', [`--repo=${plain}`, 'init', '--mode=archive'])
      await runOk('ostree', [`--repo=${plain}`, 'commit', ...options])
      await repository.ok('ostree', 'pull-local', plain, 'plain')
      const write = (): Promise<string> =>
        repository.ok('ostree', 'export', '--mode', 'bare-user-only', '--reference', 'plain', 'plain', target)
      await write()
      await exported('fsck')
      await exported('refs', '--delete', 'plain')
      await exported('prune', '--refs-only')
      assert.deepEqual(String(await exported('refs')), '')
      await write()
      await exported('fsck')
    },
  )

  test('a commit of an image is the one of the reference', async () => {
    const [ours, theirs] = [await init('sluice'), await init('cfsctl')]
    for (const repository of [ours, theirs]) await repository.ok('ostree', 'pull-local', repo('bare'), 'test/main')
    const image = await ours.ok('ostree', 'compute-id', 'test/main')
    const words = ['ostree', 'commit', '--reference', 'made/here', '--subject', 'From an image']
    const made = await theirs.ok(...words, image)
    const details = await theirs.ok('ostree', 'inspect', 'made/here')
    const date = /^date +(.*) UTC$/m.exec(details)![1]
    const timestamp = sluiceIsReplaced ? [] : ['--timestamp', `${Date.parse(`${date}Z`) / 1000}`]
    const lines = await ours.ok(...words, ...timestamp, image)
    if (!sluiceIsReplaced) assert.deepEqual(comparableLines(lines), comparableLines(made))
    assert.deepEqual(rootLines(await ours.ok('ostree', 'inspect', 'made/here')), rootLines(details))
    assert.equal(await ours.other.ok('ostree', 'dump', 'made/here'), await theirs.ok('ostree', 'dump', 'made/here'))
    assert.match(await ours.other.ok('fsck'), /^status: ok$/m)
  })

  test(
    'a full disk: an export leaves nothing, and is completed when there is room',
    { skip: missingForSluice() },
    async () => {
      const repository = await init('sluice')
      await repository.ok('ostree', 'pull-local', repo('archive'), 'test/main')
      const disk = join(scratch, 'disk')
      mkdirSync(disk)
      await runOk('mount', ['-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', disk])
      const target = join(disk, 'repository')
      const words = ['ostree', 'export', '--mode', 'bare-split-xattrs', '--reference', 'test/main', 'test/main', target]
      assert.match(await repository.fails(7, ...words), /no space left/i)
      assert.deepEqual(stagingLeftovers(target), [])
      assert.deepEqual(readdirSync(join(target, 'objects')), [])
      // Then not even for the config of a repository.
      rmSync(target, { recursive: true })
      const filler = join(disk, 'filler')
      assert.throws(() => writeFileSync(filler, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' })
      assert.match(await repository.fails(7, ...words), /no space left/i)
      rmSync(filler)
      await runOk('mount', ['-o', 'remount,size=100m', disk])
      await repository.ok(...words)
      await runOk('ostree', [`--repo=${target}`, 'fsck'])
    },
  )

  const reflinkSkip = missingForSluice('loop', 'mkfs.xfs', 'kernel:xfs')
  test('exported contents share their blocks with the repository', { skip: reflinkSkip }, async () => {
    const [image, disk] = [join(scratch, 'xfs.img'), join(scratch, 'xfs')]
    await runOk('truncate', ['-s', '400M', image])
    await runOk('mkfs.xfs', ['-q', '-f', image])
    mkdirSync(disk)
    await runOk('mount', ['-o', 'loop', image, disk])
    const repository = await ToolRepository.init('sluice', join(disk, 'repository'))
    const size = 30_000_000
    writeArchive(join(disk, 'source'), new Map([['large', noise('large', size)]]))
    await repository.ok('ostree', 'pull-local', join(disk, 'source'), 'made')
    const free = (): number => statfsSync(disk).bfree * statfsSync(disk).bsize
    await runOk('sync', ['-f', disk])
    const before = free()
    const target = join(disk, 'exported')
    await repository.ok('ostree', 'export', '--mode', 'bare-user', '--reference', 'made', 'made', target)
    await runOk('sync', ['-f', disk])
    assert.ok(before - free() < size / 2)
    await runOk('ostree', [`--repo=${target}`, 'fsck'])
  })

  test('pulls over HTTP: objects, then only what changed', async () => {
    const both = [await init('sluice'), await init('cfsctl')]
    await same(both, 'ostree', 'pull', '--no-delta', url, 'test/main')

    writeFileSync(join(tree, 'usr/lib/size-65536'), noise('changed', 65_000))
    await commitEverywhere('second')
    await ostree('archive', 'summary', '--update')
    const objects = await same(both, 'ostree', 'pull', '--no-delta', url, 'test/main')
    assert.match(objects, /^objects \d+ metadata \+ 1 files fetched$/m)
    await sameAsWhole(both)
  })

  test('pulls over HTTP: a delta', async () => {
    const both = [await init('sluice'), await init('cfsctl')]
    await same(both, 'ostree', 'pull', url, 'test/main')

    writeFileSync(join(tree, 'usr/lib/size-65536'), noise('changed', 65_536))
    rmSync(join(tree, 'usr/lib/size-513'))
    await commitEverywhere('third')
    await ostree('archive', 'static-delta', 'generate', '--from=test/main^', '--to=test/main')
    await ostree('archive', 'summary', '--update')
    const delta = await same(both, 'ostree', 'pull', url, 'test/main')
    assert.match(delta, /via \d+ delta parts$/m)
    await sameAsWhole(both)
  })

  /** What was pulled bit by bit is what the reference pulls at once; and the other tool finds nothing wrong with it. */
  async function sameAsWhole(both: readonly ToolRepository[]): Promise<void> {
    const whole = await init('cfsctl')
    await whole.ok('ostree', 'pull-local', repo('bare'), 'test/main')
    assert.equal(await same(both, 'ostree', 'dump', 'test/main'), await whole.ok('ostree', 'dump', 'test/main'))
    for (const repository of both) assert.match(await repository.other.ok('fsck'), /^status: ok$/m)
  }
})
