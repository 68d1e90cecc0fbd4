/** Commits made, served and checked by the real ostree. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createReadStream, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  comparableLines,
  missing,
  missingForSluice,
  mountTools,
  notYet,
  runOk,
  scratchFolder,
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

  test('an exported commit satisfies ostree', { skip: notYet('ostree export') }, async () => {
    const repository = await init('sluice')
    await repository.ok('ostree', 'pull-local', repo('archive'), 'test/main')
    const target = join(scratch, 'exported')
    await runOk('ostree', [`--repo=${target}`, 'init', '--mode=bare-user'])
    await repository.ok('ostree', 'export', '--reference', 'test/main', 'test/main', target)
    await runOk('ostree', [`--repo=${target}`, 'fsck'])
    const revision = await runOk('ostree', [`--repo=${target}`, 'rev-parse', 'test/main'])
    assert.deepEqual(revision, await ostree('archive', 'rev-parse', 'test/main'))
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

  test('pulls over HTTP: a delta', { skip: notYet('static deltas') }, async () => {
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
