import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { lastValueFrom, tap } from 'rxjs'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { objectPath, type ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { collectGarbage, gc, planGc } from '../../src/pipelines/gc.js'
import { tagImage } from '../../src/pipelines/oci-images.js'
import { measureRepository } from '../../src/pipelines/stats.js'
import { streamName } from '../../src/repository/names.js'
import { Repository } from '../../src/repository/repository.js'
import { listFiles } from '../helpers/reference-repository.js'
import { sha256, storeDocument, storeLayer, type StoredDocument } from '../helpers/stored-graph.js'
import { storeNamedLayer, storeTaggedImage } from '../helpers/stored-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

const noParts = { partsRemoved: 0, partsBytes: 0, mountedImagesKept: 0 }

const failsWith = (code: ErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

/** A layer of two objects, linked as `layer`, and a third object that nothing needs. */
async function smallRepository(repository: Repository): Promise<{ kept: string[]; garbage: string }> {
  const [a, b, garbage] = ['a', 'b', 'garbage'].map((text) => repository.objects.store(Buffer.from(text)).id)
  const stream = await storeLayer(repository, [a, b])
  repository.streams.link('layer', stream)
  return { kept: [a, b, stream].map(path), garbage: path(garbage) }
}

const path = (id: ObjectId) => `objects/${objectPath(id)}`

test('a ref whose name is no UTF-8 keeps what it names', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  const { kept, garbage } = await smallRepository(repository)
  mkdirSync(repository.streams.path('refs'))
  const link = Buffer.concat([Buffer.from(`${repository.streams.path('refs')}/`), Buffer.from([0xff, 0xfe])])
  symlinkSync('../layer', link)
  const result = await collectGarbage(repository)
  assert.deepEqual(result, { objectsRemoved: 1, objectsBytes: 7, imagesPruned: 0, streamsPruned: 0, ...noParts })
  const left = listFiles(repository.path)
  assert.ok(kept.every((object) => left.includes(object)))
  assert.ok(!left.includes(garbage))
})

test('a ref that is broken but names an entry keeps it, and goes itself', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  await smallRepository(repository)
  mkdirSync(repository.streams.path('refs'))
  symlinkSync('../../nowhere/layer', repository.streams.path('refs/odd'))
  const result = await collectGarbage(repository)
  assert.deepEqual(result, { objectsRemoved: 1, objectsBytes: 7, imagesPruned: 0, streamsPruned: 1, ...noParts })
  assert.ok(existsSync(repository.streams.path('layer')))
})

test('a link is judged by where it leads: directories may be links themselves', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  await smallRepository(repository)
  renameSync(repository.objects.directory, `${repository.path}/elsewhere`)
  symlinkSync('elsewhere', repository.objects.directory)
  const result = await collectGarbage(repository)
  assert.deepEqual([result.objectsRemoved, result.streamsPruned], [4, 1])
  assert.deepEqual(listFiles(repository.path), ['meta.json', 'objects'])
})

test(
  'links of what is not wanted stay if they lead to files that are no objects of this repository',
  needsLock,
  async (t) => {
    const repository = await temporaryRepository(t)
    const { path: root, streams } = repository
    const name = 'cd'.repeat(31)
    mkdirSync(streams.path())
    const other = '_'.repeat(basename(root).length)
    const links = [`../../${other}/objects/ab`, '../objects/extra/ab', '../objects/AB'].map((directory, i) => {
      mkdirSync(join(streams.path(), directory), { recursive: true })
      writeFileSync(join(streams.path(), directory, name), '')
      symlinkSync(`${directory}/${name}`, streams.path(`link${i}`))
      return `streams/link${i}`
    })
    symlinkSync(`../objects/ab/${name}`, streams.path('dead'))
    const result = await collectGarbage(repository)
    assert.deepEqual([result.objectsRemoved, result.streamsPruned], [0, 1])
    assert.deepEqual(
      listFiles(root).filter((file) => file.startsWith('streams/')),
      links,
    )
    mkdirSync(`${root}/objects/ab`)
    writeFileSync(`${root}/objects/ab/${name}`, '')
    symlinkSync(`../objects/ab/${name}`, streams.path('dead'))
    assert.equal((await collectGarbage(repository)).streamsPruned, 1)
  },
)

test('where the links of what is wanted lead nowhere, or elsewhere, nothing is removed', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  const { manifest, config } = await storeTaggedImage(repository, 'app', [])
  const { path: root, streams } = repository
  const other = objectPath(repository.objects.store(Buffer.from('another object')).id)
  mkdirSync(`${root}/elsewhere/x`, { recursive: true })
  const link = (name: string, target: string) => {
    rmSync(streams.path(name))
    symlinkSync(target, streams.path(name))
  }
  for (const [stream, kind] of [
    [manifest.stream, 'manifest'],
    [config.stream, 'config'],
  ] as const) {
    const name = streams.entries().find(({ name }) => name.startsWith(`oci-${kind}-`))!.name
    const sound = `../objects/${objectPath(stream)}`
    mkdirSync(dirname(`${root}/elsewhere/${objectPath(stream)}`), { recursive: true })
    copyFileSync(`${root}/objects/${other}`, `${root}/elsewhere/${objectPath(stream)}`)
    for (const [target, where] of [
      [`objects/${objectPath(stream)}`, 'nowhere'],
      [`../objects/${objectPath(stream).toUpperCase()}`, 'nowhere'],
      [`/nonexistent/objects/${objectPath(stream)}`, 'nowhere'],
      [`../elsewhere/${objectPath(stream)}`, 'to another file'],
    ]) {
      link(name, target)
      const files = listFiles(root)
      const refused = failsWith('SLUICE_CORRUPT', new RegExp(`streams/${name} names object .* but leads ${where}$`))
      await assert.rejects(collectGarbage(repository), refused)
      assert.deepEqual(listFiles(root), files)
    }
    link(name, sound)
  }
  // All links with their directory: their texts are those of sound ones.
  renameSync(streams.path(), `${root}/elsewhere/x/streams`)
  symlinkSync('elsewhere/x/streams', streams.path())
  await assert.rejects(collectGarbage(repository), failsWith('SLUICE_CORRUPT', /leads nowhere$/))
})

test(
  'a config of which an image with the same one has a newer stream is kept with its EROFS image',
  needsLock,
  async (t) => {
    const repository = await temporaryRepository(t)
    const layer = await storeNamedLayer(repository, [repository.objects.store(Buffer.from('file')).id])
    const { config, erofs } = await storeTaggedImage(repository, 'app', [layer])
    const newer = await relinkConfig(repository, config)
    const before = (await measureRepository(repository)).repository
    assert.deepEqual(before.unreferenced, { count: 1, bytes: statSync(repository.objects.path(newer)).size })

    // The name goes back, and from then on it is as if the other image had never been there.
    const planned = await collectGarbage(repository, { dryRun: true })
    const result = await collectGarbage(repository)
    assert.deepEqual(planned, result)
    assert.deepEqual([result.objectsRemoved, result.streamsPruned, result.imagesPruned], [1, 0, 0])
    assert.ok([config.stream, config.document, erofs].every((id) => repository.objects.has(id)))
    const name = streamName.config(sha256(repository.objects.read(config.document, 1000)))
    assert.equal(repository.streams.objectOf(name), config.stream)
    assert.equal((await collectGarbage(repository)).objectsRemoved, 0)
    assert.deepEqual((await checkRepository(repository)).errors, [])

    // What it refers to is unknown if it cannot be read.
    await relinkConfig(repository, config)
    writeFileSync(repository.objects.path(config.stream), 'SplitStream and no more of it than that')
    await assert.rejects(collectGarbage(repository), failsWith('SLUICE_FORMAT', new RegExp(config.stream)))
  },
)

test(
  'a stream that has no link, and whose name nobody took, is not followed, as by the reference',
  needsLock,
  async (t) => {
    const repository = await temporaryRepository(t)
    const file = repository.objects.store(Buffer.from('file')).id
    const { config } = await storeTaggedImage(repository, 'app', [await storeNamedLayer(repository, [file])])
    const name = streamName.config(sha256(repository.objects.read(config.document, 1000)))
    rmSync(repository.streams.path(name))
    await collectGarbage(repository)
    // Layers are named by the manifest, too.
    assert.deepEqual(
      [config.stream, config.document, file].map((id) => repository.objects.has(id)),
      [true, false, true],
    )
  },
)

/** Stores another stream of the same config, as another image does, and links that. */
async function relinkConfig(repository: Repository, { document }: StoredDocument): Promise<ObjectId> {
  const bytes = repository.objects.read(document, 1000)
  const { stream } = await storeDocument(repository, contentType.config, bytes)
  repository.streams.link(streamName.config(sha256(bytes)), stream)
  return stream
}

test('where refs are elsewhere, and that is not there, nothing is removed', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  await storeTaggedImage(repository, 'app', [])
  const { path: root } = repository
  const elsewhere = `${dirname(root)}/elsewhere`
  for (const directory of ['streams/refs', 'streams', 'images']) {
    const home = `${root}/${directory}`
    renameSync(home, elsewhere)
    symlinkSync(elsewhere, home)
    renameSync(elsewhere, `${elsewhere}-not-mounted`)
    const files = listFiles(root)
    const refused = failsWith('SLUICE_CORRUPT', new RegExp(`: ${directory} is a link that leads nowhere$`))
    await assert.rejects(collectGarbage(repository), refused)
    assert.deepEqual(listFiles(root), files)
    rmSync(home)
    renameSync(`${elsewhere}-not-mounted`, home)
  }
  assert.equal((await collectGarbage(repository)).objectsRemoved, 0)
})

test('refs that lead in circles are an error', async (t) => {
  const repository = await temporaryRepository(t)
  mkdirSync(repository.streams.path('refs'), { recursive: true })
  symlinkSync('b', repository.streams.path('refs/a'))
  symlinkSync('a', repository.streams.path('refs/b'))
  await assert.rejects(planGc(repository), failsWith('SLUICE_CORRUPT', /streams\/refs\/a points to streams\/b, which/))
})

test('what is not an object stops a collection before it removes anything, and is named', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  const { garbage } = await smallRepository(repository)
  const stranger = `${repository.path}/objects/ff/${'0'.repeat(62)}`
  mkdirSync(stranger, { recursive: true })
  writeFileSync(`${repository.path}/objects/ff/README`, '')
  // Characters whose low bytes are digits of hex; in UTF-8 as many bytes as an id has digits, and half as many.
  for (const count of [31, 62]) writeFileSync(`${repository.path}/objects/ff/${'\u0161'.repeat(count)}`, '')
  const before = listFiles(repository.path)
  const fourOfThem = failsWith('SLUICE_CORRUPT', /objects\/ff\/0{62} \(and 3 more\) is not an object/)
  await assert.rejects(collectGarbage(repository), fourOfThem)
  assert.deepEqual(listFiles(repository.path), before)
  assert.ok(before.includes(garbage))
})

test('temporary files of the last hour stay, older ones go uncounted', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  const { path: root } = repository
  mkdirSync(`${root}/objects`)
  const twoHoursAgo = Date.now() / 1000 - 7200
  const stays = ['objects/.tmp-object-new', '.symlink-new', 'objects/notes', '.symlink-file', '.sluice-probe-new']
  const goes = ['objects/.tmp-object-old', '.symlink-old', '.sluice-probe-old', '.meta.json-old']
  for (const name of [...stays, ...goes]) {
    if (name.startsWith('.symlink-') && !name.endsWith('file')) symlinkSync('nowhere', `${root}/${name}`)
    else writeFileSync(`${root}/${name}`, '')
    if (!name.endsWith('new')) lutimesSync(`${root}/${name}`, twoHoursAgo, twoHoursAgo)
  }
  for (const name of ['objects/.tmp-object-thread', 'objects/.tmp-object-dead']) {
    mkdirSync(`${root}/${name}`)
    writeFileSync(`${root}/${name}/000000`, 'a piece')
  }
  symlinkSync('../..', `${root}/objects/.tmp-object-dead/link`)
  lutimesSync(`${root}/objects/.tmp-object-dead`, twoHoursAgo, twoHoursAgo)
  const nothing = { objectsRemoved: 0, objectsBytes: 0, imagesPruned: 0, streamsPruned: 0, ...noParts }
  assert.deepEqual((await planGc(repository)).leaks.toSorted(), [...goes, 'objects/.tmp-object-dead'].toSorted())
  assert.deepEqual(await collectGarbage(repository), nothing)
  assert.deepEqual(listFiles(root), [...stays, 'objects/.tmp-object-thread/000000', 'meta.json'].sort())
})

test(
  'a pipe in the place of an object is removed like one, or fails what needs it',
  { timeout: 120_000 },
  async (t) => {
    const repository = await temporaryRepository(t)
    const id = repository.objects.store(Buffer.from('x')).id
    execFileSync('rm', [repository.objects.path(id)])
    execFileSync('mkfifo', [repository.objects.path(id)])
    assert.deepEqual(
      [...(await planGc(repository)).objects].map((object) => object.path),
      [path(id)],
    )
    repository.streams.link('pipe', id)
    repository.streams.linkRef('keep', 'pipe')
    await assert.rejects(planGc(repository), failsWith('SLUICE_FORMAT', /stream pipe: .*shorter than its header/))
  },
)

test('a repository with unknown features is not collected, but a dry run is made', async (t) => {
  const repository = await temporaryRepository(t)
  await smallRepository(repository)
  const metadata = readFileSync(`${repository.path}/meta.json`, 'utf8').replace('"v1_erofs"', '"v1_erofs", "new"')
  writeFileSync(`${repository.path}/meta.json`, metadata)
  using reopened = await Repository.open(repository.path, { insecure: true })
  await assert.rejects(collectGarbage(reopened), failsWith('SLUICE_READ_ONLY', /new/))
  assert.equal((await collectGarbage(reopened, { dryRun: true })).objectsRemoved, 4)
})

test('a collection waits until nobody else has the repository open, a dry run does not', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  await smallRepository(repository)
  const other = await Repository.open(repository.path, { insecure: true })
  await collectGarbage(repository, { dryRun: true })
  let done = false
  const run = collectGarbage(repository).then(() => (done = true))
  await sleep(150)
  assert.equal(done, false)
  other.close()
  await run
})

test('what is being collected by the same handle gets no tag', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  const { manifestDigest } = await storeTaggedImage(repository, 'old', [], [])
  let tagging: Promise<void> | undefined
  const tagMeanwhile = tap((event: { type: string }) => {
    if (event.type !== 'planned') return
    tagging = assert.rejects(
      async () => tagImage(repository, manifestDigest, 'late'),
      failsWith('SLUICE_NOT_FOUND', /manifest/),
    )
  })
  await lastValueFrom(gc(repository).pipe(tagMeanwhile))
  await tagging
  assert.deepEqual(listFiles(repository.path), ['meta.json'])
})

test('a collection that is stopped leaves a sound repository, and the next one finishes', needsLock, async (t) => {
  const repository = await temporaryRepository(t)
  await smallRepository(repository)
  for (let i = 0; i < 20; i++) {
    const file = repository.objects.store(Buffer.from(`file ${i}`)).id
    repository.streams.link(`dead${i}`, await storeLayer(repository, [file]))
  }
  repository.streams.linkRef('keep', 'layer')
  const controller = new AbortController()
  const stopEarly = tap((event: { type: string }) => event.type === 'progress' && controller.abort())
  const run = lastValueFrom(gc(repository, { signal: controller.signal }).pipe(stopEarly))
  await assert.rejects(run, failsWith('SLUICE_CANCELLED', /cancelled/))
  const { objectsRemoved, streamsPruned } = await collectGarbage(repository, { dryRun: true })
  assert.deepEqual([objectsRemoved, streamsPruned], [40, 0], 'one of 41 objects is gone, and all links to them')
  assert.deepEqual((await checkRepository(repository)).errors, [])
  await collectGarbage(repository)
  assert.equal(listFiles(repository.path).length, 'meta.json, a, b, stream, link, ref'.split(', ').length)
})
