/** Damage of every kind is named, repaired, and brought back by a pull that fetches only what is missing. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, describe, test, type TestContext } from 'node:test'
import { objectPath, type ObjectId } from '../../src/formats/digest.js'
import { checkOciRepository, checkRepository } from '../../src/pipelines/fsck.js'
import { repairRepository } from '../../src/pipelines/repair.js'
import { Repository } from '../../src/repository/repository.js'
import { sluice } from '../helpers/cli.js'
import { contentOf, copyOf, damages, layerNames, needsLock, objectKinds, pulledImage } from '../helpers/damage.js'
import { layerTar, pullFrom, serveImage } from '../helpers/pull.js'
import { startRegistry } from '../helpers/registry-client.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

/** Starting threads would take longer than the work for them. */
const alone = { threads: 0 }

async function assertSound(repository: Repository): Promise<void> {
  const { repo, ...images } = await checkOciRepository(repository, alone)
  assert.deepEqual([repo.errors, images.errors], [[], []])
}

for (const [name, damage] of Object.entries(damages)) {
  test(`${name} of each kind of object`, needsLock, async (t) => {
    const sound = await pulledImage(t)
    const { registry, pulled } = sound
    const lost = { tag: 'v1', manifestDigest: pulled.manifestDigest }
    for (const [kind, id] of Object.entries(objectKinds(sound))) {
      const repository = await copyOf(t, sound.repository.path)
      damage(repository.objects.path(id))
      const found = await checkRepository(repository, alone)
      assert.ok(
        found.errors.some(
          (line) => line.includes(objectPath(id)) || line.includes(id) || line.includes('broken-symlink'),
        ),
        kind,
      )

      const { check, moved, pullAgain, remaining } = await repairRepository(repository, alone)
      assert.deepEqual(check, found, kind)
      assert.deepEqual(pullAgain, [lost], kind)
      assert.deepEqual(remaining, [], kind)
      const to = `.sluice/damaged/${id}`
      assert.deepEqual(moved, name === 'loss' ? [] : [{ path: `objects/${objectPath(id)}`, to }], kind)
      await assertSound(repository)
      const isLayer = kind === 'file' || kind === 'layer stream'
      const [base, app] = layerNames(sound).map((layer) => repository.streams.objectOf(layer) !== undefined)
      assert.deepEqual([base, app], [true, !isLayer], kind)

      const again = await pullFrom(repository, registry, 'v1', alone)
      const { layers, images, manifestVerity, configDigest } = again
      assert.deepEqual(layers, { total: 2, fetched: isLayer ? 1 : 0 }, kind)
      assert.deepEqual(
        { images, manifestVerity, configDigest },
        { images: pulled.images, manifestVerity: pulled.manifestVerity, configDigest: pulled.configDigest },
        kind,
      )
      assert.deepEqual(contentOf(repository.path), contentOf(sound.repository.path), kind)
      await assertSound(repository)
    }
  })
}

test('a repository that is fine is not changed, and needs no pull', needsLock, async (t) => {
  const { repository } = await pulledImage(t)
  const before = contentOf(repository.path)
  const { check, moved, linksRemoved, pullAgain, remaining } = await repairRepository(repository, {
    ...alone,
    deep: true,
  })
  assert.equal(check.ok, true)
  assert.deepEqual([moved, linksRemoved, pullAgain, remaining], [[], [], [], []])
  assert.deepEqual(contentOf(repository.path), before)
  assert.equal(existsSync(join(repository.path, '.sluice')), false)
})

test('an image that shares nothing with the damage is left alone', needsLock, async (t) => {
  const registry = await startRegistry(t)
  const shared = layerTar('shared')
  serveImage(registry, 'one', [shared, layerTar('one')])
  serveImage(registry, 'two', [shared, layerTar('two')])
  const repository = await temporaryRepository(t)
  await pullFrom(repository, registry, 'one', alone)
  const two = await pullFrom(repository, registry, 'two', alone)
  damages['loss'](repository.objects.path([...two.images.values()][0]))
  const { pullAgain, linksRemoved } = await repairRepository(repository, alone)
  assert.deepEqual(pullAgain, [{ tag: 'two', manifestDigest: two.manifestDigest }])
  assert.equal(linksRemoved.length, 4)
  assert.deepEqual(
    repository.streams.refs('oci').map(({ name }) => name),
    ['oci/one'],
  )
  await assertSound(repository)
  assert.equal((await pullFrom(repository, registry, 'two', alone)).layers.fetched, 0)
})

test('what lies where it does not belong is moved aside, and broken links go', needsLock, async (t) => {
  const { repository } = await pulledImage(t)
  const { path, streams, images } = repository
  const sound = contentOf(path)
  const toObject = readlinkSync(streams.path(streams.entries()[0].name))
  mkdirSync(join(path, 'objects/00'), { recursive: true })
  writeFileSync(join(path, 'objects/00/junk'), 'x')
  symlinkSync('nowhere', join(path, 'objects/00', 'ab'.repeat(31)))
  writeFileSync(streams.path('junk'), 'stream')
  mkdirSync(images.path('junk'))
  mkdirSync(streams.path('refs/deep'))
  writeFileSync(streams.path('refs/deep/junk'), 'ref')
  symlinkSync('loop', streams.path('loop'))
  symlinkSync('../meta.json', images.path('odd'))
  symlinkSync('../odd', images.path('refs-of-odd'))
  symlinkSync('../nothing', streams.path('refs/dangling'))
  // They lead somewhere, which is all that the check asks for, but a collection does not know what they keep.
  symlinkSync(`../${toObject}`, streams.path('refs/object'))
  mkdirSync(images.path('refs'))
  symlinkSync(join(path, 'meta.json'), images.path('refs/file'))
  const { moved, linksRemoved, pullAgain, remaining } = await repairRepository(repository, alone)
  const at = '.sluice/damaged'
  assert.deepEqual(moved, [
    { path: `objects/00/${'ab'.repeat(31)}`, to: `${at}/00${'ab'.repeat(31)}` },
    { path: 'objects/00/junk', to: `${at}/junk` },
    { path: 'images/junk', to: `${at}/junk.2` },
    { path: 'streams/junk', to: `${at}/junk.3` },
    { path: 'streams/refs/deep/junk', to: `${at}/junk.4` },
  ])
  assert.deepEqual(linksRemoved, [
    'images/odd',
    'images/refs-of-odd',
    'images/refs/file',
    'streams/loop',
    'streams/refs/dangling',
    'streams/refs/object',
  ])
  assert.deepEqual([pullAgain, remaining], [[], []])
  assert.deepEqual(contentOf(path), sound)
  assert.equal(lstatSync(join(path, at)).mode & 0o777, 0o700)
  await assertSound(repository)
})

test('a layer that is not what its name says goes with --deep only', needsLock, async (t) => {
  const sound = await pulledImage(t)
  const { repository, registry, pulled } = sound
  const [base, app] = layerNames(sound)
  const other = repository.streams.objectOf(base)!
  const content = contentOf(repository.path)
  repository.streams.link(app, other)
  assert.equal((await checkRepository(repository, alone)).ok, true)
  const { check, pullAgain, moved } = await repairRepository(repository, { ...alone, deep: true })
  assert.deepEqual(
    check.errors.map((line) => line.split(': ').slice(0, 3).join(': ')),
    [`fsck: layer-digest-mismatch: streams/${app}`],
  )
  assert.deepEqual(pullAgain, [{ tag: 'v1', manifestDigest: pulled.manifestDigest }])
  assert.deepEqual(moved, [])
  await pullFrom(repository, registry, 'v1', alone)
  assert.deepEqual(contentOf(repository.path), content)
})

test('a missing link of a layer costs the tag, and not what is whole', needsLock, async (t) => {
  const sound = await pulledImage(t)
  const { repository, registry, pulled } = sound
  const content = contentOf(repository.path)
  unlinkSync(repository.streams.path(layerNames(sound)[1]))
  const { check, linksRemoved, pullAgain } = await repairRepository(repository, alone)
  assert.equal(check.ok, true)
  assert.deepEqual(linksRemoved, ['streams/refs/oci/v1'])
  assert.deepEqual(pullAgain, [{ tag: 'v1', manifestDigest: pulled.manifestDigest }])
  await assertSound(repository)
  assert.equal((await pullFrom(repository, registry, 'v1', alone)).layers.fetched, 1)
  assert.deepEqual(contentOf(repository.path), content)
})

test('a layer that leads elsewhere, or is no link, costs the tag at once', needsLock, async (t) => {
  const sound = await pulledImage(t)
  const [, layer] = layerNames(sound)
  for (const put of [(path: string) => symlinkSync('../meta.json', path), (path: string) => mkdirSync(path)]) {
    const repository = await copyOf(t, sound.repository.path)
    const path = repository.streams.path(layer)
    unlinkSync(path)
    put(path)
    const { pullAgain, remaining } = await repairRepository(repository, alone)
    assert.deepEqual(pullAgain, [{ tag: 'v1', manifestDigest: sound.pulled.manifestDigest }])
    assert.deepEqual(remaining, [])
    await assertSound(repository)
    await pullFrom(repository, sound.registry, 'v1', alone)
    await assertSound(repository)
  }
})

test('an object spelled with capitals is not the one of that id', needsLock, async (t) => {
  const sound = await pulledImage(t)
  const { repository } = sound
  const content = contentOf(repository.path)
  const id = Object.values(objectKinds(sound)).find((kind) => /[a-f]/.test(kind.slice(2)))!
  const name = id.slice(2).toUpperCase()
  writeFileSync(join(repository.path, 'objects', id.slice(0, 2), name), 'wrong')
  const { moved, linksRemoved } = await repairRepository(repository, alone)
  assert.deepEqual(moved, [{ path: `objects/${id.slice(0, 2)}/${name}`, to: `.sluice/damaged/${name}` }])
  assert.deepEqual(linksRemoved, [])
  assert.deepEqual(contentOf(repository.path), content)
})

test('damage that repair does not help against is told', needsLock, async (t) => {
  const { repository } = await pulledImage(t)
  unlinkSync(join(repository.path, 'meta.json'))
  const { linksRemoved, remaining } = await repairRepository(repository, alone)
  assert.deepEqual(linksRemoved, [])
  assert.match(remaining.join('\n'), /^fsck: metadata-parse-failed: meta\.json: it has vanished/)
})

describe('the command', needsLock, () => {
  test('tells what it did as text and as JSON, and succeeds', async (t) => {
    const sound = await pulledImage(t)
    const { file, image } = objectKinds(sound)
    const { manifestDigest } = sound.pulled
    const texts: string[] = []
    for (const flags of [[], ['--json']]) {
      const copy = await damagedCopy(t, sound.repository, [file, image])
      const { status, stdout, stderr } = await sluice(['--repo', copy, 'fsck', '--repair', ...flags])
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
      texts.push(stdout)
      if (flags.length > 0) continue
      const again = await sluice(['--repo', copy, 'fsck', '--repair', '--deep'])
      assert.ok(again.stdout.endsWith('status: ok\nrepair: nothing to do\n'), again.stdout)
    }
    const [text, json] = texts
    const moved = [file, image].sort().map((id) => [`objects/${objectPath(id)}`, `.sluice/damaged/${id}`])
    const lines = text.split('\n')
    const repair = lines.slice(lines.findIndex((line) => line.startsWith('repair: ')))
    assert.equal(repair[0], 'repair: 2 moved to .sluice/damaged, 5 link(s) removed')
    assert.deepEqual(
      repair.slice(1, 3),
      moved.map(([from, to]) => `  - moved ${from} to ${to}`),
    )
    assert.deepEqual(repair.slice(-3), ['pull again:', `  - v1 (${manifestDigest})`, ''])
    const parsed = JSON.parse(json) as { ok: boolean; repair: Record<string, unknown> }
    assert.equal(parsed.ok, false)
    assert.deepEqual(Object.keys(parsed.repair), [
      'moved',
      'links_removed',
      'pull_again',
      'pull_commits_again',
      'remaining',
    ])
    assert.deepEqual(
      parsed.repair['moved'],
      moved.map(([path, to]) => ({ path, to })),
    )
    assert.deepEqual(parsed.repair['pull_again'], [{ tag: 'v1', manifest_digest: manifestDigest }])
    assert.deepEqual(parsed.repair['remaining'], [])
  })

  test('does not go with --metadata-only', async () => {
    const { status, stderr } = await sluice(['--repo', '/nonexistent', 'fsck', '--repair', '--metadata-only'])
    assert.equal(status, 2, stderr)
  })
})

async function damagedCopy(t: TestContext, repository: Repository, ids: readonly ObjectId[]): Promise<string> {
  const copy = await copyOf(t, repository.path)
  for (const id of ids) damages['a flipped bit'](copy.objects.path(id))
  copy.close()
  return copy.path
}

/** Has the process killed instead of the n-th renaming or removal of a file. */
const killer = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
let left = Number(process.env.KILL_AT)
for (const name of ['renameSync', 'unlinkSync']) {
  const call = fs[name]
  fs[name] = (...args) => {
    if (--left === 0) process.kill(process.pid, 'SIGKILL')
    return call(...args)
  }
}
syncBuiltinESMExports()
`

describe('a repair that is killed', needsLock, () => {
  let preload: string
  before(() => {
    preload = `data:text/javascript,${encodeURIComponent(killer)}`
  })

  async function runKilled(repo: string, step: number): Promise<boolean> {
    const args = ['--import', preload, join(projectRoot, 'bin/sluice.js'), '--repo', repo, 'fsck', '--repair']
    const child = spawn(process.execPath, args, { env: { ...process.env, KILL_AT: `${step}` }, stdio: 'ignore' })
    const [, signal] = (await once(child, 'close')) as [number | null, string | null]
    return signal === 'SIGKILL'
  }

  test('at any step is finished by the next one, which knows what to pull', async (t) => {
    const sound = await pulledImage(t)
    const { file } = objectKinds(sound)
    const undisturbed = await copyOf(t, sound.repository.path)
    damages['a flipped bit'](undisturbed.objects.path(file))
    await repairRepository(undisturbed, alone)
    const content = contentOf(undisturbed.path)
    let step = 1
    for (; ; step++) {
      const path = await damagedCopy(t, sound.repository, [file])
      if (!(await runKilled(path, step))) break
      // Once the object is out of the way, so does a pull.
      if (step > 1) {
        using copy = await copyOf(t, path)
        await pullFrom(copy, sound.registry, 'v1', alone)
        assert.deepEqual(contentOf(copy.path), contentOf(sound.repository.path), `step ${step}`)
      }
      using repository = await Repository.open(path, { insecure: true })
      const { pullAgain, remaining } = await repairRepository(repository, alone)
      assert.deepEqual(pullAgain, [{ tag: 'v1', manifestDigest: sound.pulled.manifestDigest }], `step ${step}`)
      assert.deepEqual(remaining, [], `step ${step}`)
      assert.deepEqual(contentOf(path), content, `step ${step}`)
      assert.deepEqual(readdirSync(join(path, '.sluice/damaged')), [file], `step ${step}`)
    }
    // One object, four links and the tag.
    assert.equal(step, 7)
  })
})
