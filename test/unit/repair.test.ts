/** What a repair takes away, in repositories that no pull leaves. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import { Breather } from '../../src/flow/breather.js'
import { objectPath, type Digest, type ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import type { Repository } from '../../src/repository/repository.js'
import { planRepair } from '../../src/stages/repair/plan.js'
import { repair } from '../../src/stages/repair/repair.js'
import { setAside } from '../../src/stages/repair/set-aside.js'
import { storeDocument, storeImage, storeLayer } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

/** The links that go when these objects are damaged and these streams wrong. */
async function deadLinks(repository: Repository, objects: ObjectId[], wrongStreams: string[] = []): Promise<string[]> {
  const damaged = objects.map((id) => {
    const path = `objects/${objectPath(id)}`
    return { problem: 'object-digest-mismatch', path, id, parts: [path] } as const
  })
  const { aside, links, tags } = await planRepair(repository, { objects: damaged, wrongStreams }, new Breather())
  assert.deepEqual(
    aside.map(({ id }) => id),
    objects,
  )
  assert.deepEqual(tags, [])
  return [...links].sort()
}

/** A layer of a file, three configs that refer to it, one of which a manifest refers to, and a layer that is for itself. */
async function storeGraph(repository: Repository) {
  const { streams, objects } = repository
  const [file, own] = ['file', 'own'].map((content) => objects.store(Buffer.from(content)).id)
  const layer = await storeLayer(repository, [file])
  streams.link('layer', layer)
  streams.link('other', await storeLayer(repository, [own]))
  let config: ObjectId | undefined
  for (const name of ['a', 'b', 'c']) {
    const refs = [['layer', layer]] as const
    const { stream } = await storeDocument(repository, contentType.config, Buffer.from(name), refs)
    streams.link(`config-${name}`, stream)
    config = stream
  }
  const refs = [['config', config!]] as const
  const { stream } = await storeDocument(repository, contentType.manifest, Buffer.from('manifest'), refs)
  streams.link('manifest', stream)
  for (const [ref, name] of [
    ['m', 'manifest'],
    ['o', 'other'],
  ] as const) {
    streams.linkRef(ref, name)
  }
  const [image, sound] = [storeImage(repository, [file]), storeImage(repository, [own])]
  for (const id of [image, sound]) repository.images.link(id, id)
  return { file, layer, image }
}

const dependents = ['streams/config-a', 'streams/config-b', 'streams/config-c', 'streams/layer', 'streams/manifest']
const streamLinks = [...dependents, 'streams/refs/m']

test('all that needs what is damaged goes, and nothing else', async (t) => {
  const repository = await temporaryRepository(t)
  const { file, layer, image } = await storeGraph(repository)
  assert.deepEqual(await deadLinks(repository, []), [])
  assert.deepEqual(await deadLinks(repository, [file]), [`images/${image}`, ...streamLinks])
  assert.deepEqual(await deadLinks(repository, [layer]), streamLinks)
  // Its bytes are those of a sound image here: that the check found it damaged is enough.
  assert.deepEqual(await deadLinks(repository, [image]), [`images/${image}`])
  assert.deepEqual(await deadLinks(repository, [], ['streams/layer']), streamLinks)
})

test('a link to an object of another kind goes, and not what has that object as a file', async (t) => {
  const repository = await temporaryRepository(t)
  const { file } = await storeGraph(repository)
  repository.streams.link('odd', file)
  repository.images.link(file, file)
  assert.deepEqual(await deadLinks(repository, []), [`images/${file}`, 'streams/odd'])
})

test('what cannot be read is not taken for damaged', async (t) => {
  const repository = await temporaryRepository(t)
  await storeGraph(repository)
  t.mock.method(repository.objects, 'open', () => {
    throw new SluiceError('SLUICE_IO', 'EMFILE')
  })
  assert.deepEqual(await deadLinks(repository, []), [])
})

test('what was set aside before stays; names that are too long are cut, and what has vanished is passed over', async (t) => {
  const { path: root } = await temporaryRepository(t)
  const name = 'n'.repeat(255)
  const move = () => {
    writeFileSync(`${root}/${name}`, '')
    return setAside(root, { path: name, id: undefined })
  }
  const to = `.sluice/damaged/${'n'.repeat(240)}`
  assert.deepEqual(
    [move(), move(), move()],
    [
      { path: name, to },
      { path: name, to: `${to}.2` },
      { path: name, to: `${to}.3` },
    ],
  )
  assert.equal(setAside(root, { path: name, id: undefined }), undefined)
})

test('objects go first, then links, then tags, and each to the disk before the next', async (t) => {
  const repository = await temporaryRepository(t)
  const { path: root, streams } = repository
  for (const name of ['odd', 'dead', 'tag']) writeFileSync(`${root}/${name}`, '')
  const seen: string[][] = []
  t.mock.method(repository, 'sync', async () => {
    await setImmediate()
    seen.push(readdirSync(root).filter((name) => ['odd', 'dead', 'tag'].includes(name)))
  })
  const digest = `sha256:${'0'.repeat(64)}` as Digest
  const plan = {
    aside: ['odd', 'vanished'].map((path) => ({ path, id: undefined })),
    links: ['dead', 'gone'],
    tags: [{ path: 'tag', name: 'tag', digest }],
  }
  const moved = await repair(repository, plan, new Breather())
  assert.deepEqual(moved, [{ path: 'odd', to: '.sluice/damaged/odd' }])
  assert.deepEqual(seen, [['dead', 'tag'], ['tag']])
  assert.equal(existsSync(`${root}/tag`), false)

  mkdirSync(streams.path('directory'), { recursive: true })
  const stuck = { aside: [], links: ['streams/directory'], tags: [] }
  await assert.rejects(repair(repository, stuck, new Breather()), { code: /^SLUICE_/, message: /streams\/directory/ })
})
