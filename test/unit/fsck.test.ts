import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import { lastValueFrom, tap, toArray } from 'rxjs'
import { SluiceError } from '../../src/errors.js'
import { Breather } from '../../src/flow/breather.js'
import { objectPath, type ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { checkRepository, fsck } from '../../src/pipelines/fsck.js'
import type { Repository } from '../../src/repository/repository.js'
import { planRepair } from '../../src/stages/repair/plan.js'
import { checkObjects } from '../../src/workers/check-objects.js'
import { storeDocument, storeImage, storeLayer } from '../helpers/stored-graph.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { recordWarnings } from '../helpers/warnings.js'

// What the reference (cfsctl 0.9.4) says of the same damage is what the lines and counters below are; where its line ends
// in a reason, ours ends in our own.

const sound = {
  ok: true,
  has_metadata: true,
  objects_checked: 0,
  objects_corrupted: 0,
  streams_checked: 0,
  streams_corrupted: 0,
  images_checked: 0,
  images_corrupted: 0,
  broken_links: 0,
  missing_objects: 0,
  errors: [] as string[],
}
const name = '0'.repeat(62)

test('an empty repository is sound', async (t) => {
  assert.deepEqual(await checkRepository(await temporaryRepository(t)), sound)
})

test('the keys of the result are those of the reference, in its order', async (t) => {
  const result = await checkRepository(await temporaryRepository(t))
  assert.deepEqual(Object.keys(result), Object.keys(sound))
})

test('whatever lies among the objects is reported, and nothing is waited for', { timeout: 120_000 }, async (t) => {
  const repository = await temporaryRepository(t)
  const good = repository.objects.store(Buffer.alloc(3_000_000, 'x')).id
  const { directory } = repository.objects
  for (const odd of ['00', '01', '02', '03', '04', 'zz', 'AB']) mkdirSync(`${directory}/${odd}`, { recursive: true })
  mkdirSync(`${directory}/00/${name}`)
  execFileSync('mkfifo', [`${directory}/01/${name}`])
  symlinkSync('nowhere', `${directory}/02/${name}`)
  symlinkSync(`../${objectPath(good)}`, `${directory}/03/${name}`)
  writeFileSync(`${directory}/04/tmp\n`, '')
  writeFileSync(`${directory}/04/${'A'.repeat(62)}`, 'x')
  // Not among the 256 directories: not looked at.
  writeFileSync(`${directory}/zz/${name}`, '')
  writeFileSync(`${directory}/AB/${name}`, '')
  const emptyFile = '3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95'
  const { errors, ...counters } = await checkRepository(repository)
  const { errors: _, ...soundCounters } = sound
  assert.deepEqual(counters, { ...soundCounters, ok: false, objects_checked: 7, objects_corrupted: 6 })
  assert.deepEqual(errors, [
    `fsck: object-verity-failed: objects/00/${name}: EISDIR: illegal operation on a directory`,
    `fsck: object-digest-mismatch: objects/01/${name}: measured ${emptyFile}`,
    `fsck: object-open-failed: objects/02/${name}: ENOENT: no such file or directory`,
    `fsck: object-digest-mismatch: objects/03/${name}: measured ${good}`,
    `fsck: object-digest-mismatch: objects/04/${'a'.repeat(62)}: measured ${repository.objects.store(Buffer.from('x')).id}`,
    'fsck: object-invalid-name: objects/04/tmp\\x0a: not the name of a sha256 object',
  ])
})

test('objects are hashed to their last byte, of both algorithms', async (t) => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const repository = await temporaryRepository(t, { algorithm })
    const sizes = [0, 1, 4096, 1024 * 1024, 1024 * 1024 + 1, 2_500_000]
    const ids = sizes.map((size) => repository.objects.store(Buffer.alloc(size, 7)).id)
    assert.deepEqual(await checkRepository(repository), { ...sound, objects_checked: sizes.length })
    for (const id of ids) appendFileSync(repository.objects.path(id), 'x')
    assert.equal((await checkRepository(repository)).objects_corrupted, sizes.length)
    const metadataOnly = await checkRepository(repository, { metadataOnly: true })
    assert.deepEqual(metadataOnly, sound)
  }
})

test('in a secure repository an object without fs-verity is damaged', async (t) => {
  const repository = await temporaryRepository(t)
  const { id } = repository.objects.store(Buffer.from('x'))
  // The file systems of test machines have no fs-verity: the repository is insecure and only told to be otherwise.
  const { signal } = new AbortController()
  for (const threads of [0, 1]) {
    const secure = { objects: repository.objects, secure: true }
    const { checked, damaged } = await checkObjects(secure, { threads, signal, onDirectory: () => {} })
    const [path, parts] = [`objects/${objectPath(id)}`, [`objects/${objectPath(id)}`]]
    assert.deepEqual(damaged, [{ problem: 'object-verity-missing', path, id, parts }])
    assert.equal(checked, 1)
  }
})

test('threads find the same, in the same order', async (t) => {
  const repository = await temporaryRepository(t)
  const { objects } = repository
  const ids = Array.from({ length: 700 }, (_, i) => objects.store(Buffer.alloc((i * 37) % 6000, `${i}`)).id)
  const large = [1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000].map((size) => Buffer.alloc(size, `${size}`))
  ids.push(...large.map((content) => objects.store(content).id))
  assert.deepEqual(await checkRepository(repository, { threads: 2 }), { ...sound, objects_checked: ids.length })
  for (const id of ids.filter((_, i) => i % 5 === 0)) appendFileSync(objects.path(id), 'x')
  for (const id of ids.slice(-3)) truncateSync(objects.path(id), 70_000)
  mkdirSync(`${objects.directory}/fe`, { recursive: true })
  writeFileSync(`${objects.directory}/fe/odd`, '')
  const alone = await checkRepository(repository, { threads: 0 })
  assert.equal(alone.objects_corrupted, 141 + 3 + 1)
  for (const threads of [1, 3]) assert.deepEqual(await checkRepository(repository, { threads }), alone)
})

test('nobody warns of a leak where there are many threads', async (t) => {
  const warnings = recordWarnings(t)
  assert.deepEqual(await checkRepository(await temporaryRepository(t), { threads: 11 }), sound)
  assert.deepEqual(warnings, [])
})

test('a directory of objects that cannot be listed ends the check, in a thread too', async (t) => {
  const repository = await temporaryRepository(t)
  mkdirSync(repository.objects.directory, { recursive: true })
  writeFileSync(`${repository.objects.directory}/7f`, '')
  for (const threads of [0, 2]) {
    await assert.rejects(checkRepository(repository, { threads }), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'SLUICE_IO')
      assert.match(error.message, /^cannot list objects\/7f: ENOTDIR/)
      return true
    })
  }
})

/** Streams and images that are sound, and one object id that is not there. */
async function linked(repository: Repository): Promise<ObjectId> {
  const { id } = repository.objects.store(Buffer.from('file'))
  repository.streams.link('layer', await storeLayer(repository, [id]))
  const image = storeImage(repository, [id])
  repository.images.link(image, image)
  return 'ab'.repeat(32) as ObjectId
}

test('links are reported by what is wrong with them', async (t) => {
  const repository = await temporaryRepository(t)
  await linked(repository)
  const { streams, images } = repository
  mkdirSync(streams.path('refs/deep/er'), { recursive: true })
  symlinkSync('loop', streams.path('loop'))
  symlinkSync('../meta.json', streams.path('odd'))
  symlinkSync('../meta.json', images.path('odd'))
  symlinkSync('../objects', images.path('to-directory'))
  symlinkSync(`../objects/ab/${name}`, streams.path('broken'))
  symlinkSync(`../objects/ab/${name}`, images.path('broken'))
  writeFileSync(streams.path('file'), '')
  mkdirSync(images.path('directory'))
  symlinkSync('loop', streams.path('refs/loop'))
  symlinkSync('../nowhere/layer', streams.path('refs/broken'))
  execFileSync('mkfifo', [streams.path('refs/deep/er/pipe')])
  symlinkSync('../layer', streams.path('refs/good'))
  assert.deepEqual(await checkRepository(repository), {
    ok: false,
    has_metadata: true,
    objects_checked: 3,
    objects_corrupted: 0,
    streams_checked: 5,
    streams_corrupted: 3,
    images_checked: 5,
    images_corrupted: 4,
    broken_links: 3,
    missing_objects: 0,
    errors: [
      'fsck: broken-symlink: streams/broken',
      'fsck: entry-not-symlink: streams/file',
      'fsck: stat-failed: streams/loop: ELOOP: too many symbolic links encountered',
      'fsck: stream-open-failed: streams/odd: not an object',
      'fsck: broken-symlink: streams/refs/broken',
      'fsck: stat-failed: streams/refs/loop: ELOOP: too many symbolic links encountered',
      'fsck: unexpected-file-type: streams/refs/deep/er/pipe: Fifo',
      'fsck: broken-symlink: images/broken',
      'fsck: entry-not-symlink: images/directory',
      'fsck: image-invalid: images/odd: not an object',
      'fsck: image-read-failed: images/to-directory: not a file',
    ],
  })
})

test('references to missing objects are counted one by one, and stay on one line', async (t) => {
  const repository = await temporaryRepository(t)
  const missing = await linked(repository)
  const other = 'cd'.repeat(32) as ObjectId
  repository.streams.link('dangling', await storeLayer(repository, [missing, other]))
  const refs = [['gone\n\u001b[2J', missing] as const]
  const { stream } = await storeDocument(repository, contentType.config, Buffer.from('{}'), refs)
  repository.streams.link('document', stream)
  const image = storeImage(repository, [missing])
  repository.images.link(image, image)
  const result = await checkRepository(repository)
  assert.deepEqual([result.streams_corrupted, result.images_corrupted, result.missing_objects], [0, 0, 4])
  assert.deepEqual(result.errors, [
    `fsck: missing-object-ref: streams/dangling: ${missing}`,
    `fsck: missing-object-ref: streams/dangling: ${other}`,
    `fsck: missing-named-ref: streams/document: ref gone\\x0a\\x1b[2J: ${missing}`,
    `fsck: image-missing-object: images/${image}: ${missing}`,
  ])
})

test('an unreadable directory of links ends the check', async (t) => {
  const repository = await temporaryRepository(t)
  writeFileSync(repository.images.path(), '')
  await assert.rejects(checkRepository(repository), (error) => {
    assert.ok(error instanceof SluiceError)
    assert.match(error.message, /^cannot list images: ENOTDIR/)
    return true
  })
})

test('meta.json that changes under an open repository is noticed', async (t) => {
  const repository = await temporaryRepository(t)
  const file = `${repository.path}/meta.json`
  const text = readFileSync(file, 'utf8')
  const check = async () => {
    const { ok, has_metadata, errors } = await checkRepository(repository)
    return {
      ok,
      has_metadata,
      errors: errors.map((line) => line.replace(/^(fsck: [a-z-]+: meta\.json: .{11}).*/s, '$1')),
    }
  }
  writeFileSync(file, text.replace('sha256', 'sha512'))
  const mismatch = 'fsck: metadata-algorithm-mismatch: meta.json: expected fs'
  assert.deepEqual(await check(), { ok: false, has_metadata: true, errors: [mismatch] })
  writeFileSync(file, '{')
  const malformed = 'fsck: metadata-parse-failed: meta.json: repository '
  assert.deepEqual(await check(), { ok: false, has_metadata: false, errors: [malformed] })
  rmSync(file)
  const vanished = 'fsck: metadata-parse-failed: meta.json: it has vani'
  assert.deepEqual(await check(), { ok: false, has_metadata: false, errors: [vanished] })
})

test('progress runs up to its total in each phase', async (t) => {
  const repository = await temporaryRepository(t)
  await linked(repository)
  repository.streams.linkRef('name', 'layer')
  const events = await lastValueFrom(fsck(repository, { deep: true }).pipe(toArray()))
  const progress = events.flatMap((event) => (event.type === 'progress' ? [event] : []))
  const totals = new Map(progress.map(({ phase, total }) => [phase, total]))
  assert.deepEqual(Object.fromEntries(totals), { objects: 256, streams: 1, contents: 1, refs: 1, images: 1 })
  for (const [phase, total] of totals) {
    const steps = progress.flatMap((event) => (event.phase === phase ? [event.done] : []))
    assert.deepEqual(
      steps,
      Array.from({ length: total }, (_, i) => i + 1),
      phase,
    )
  }
  assert.equal(events.at(-1)?.type, 'completed')
})

test('a check can be cancelled', async (t) => {
  const repository = await temporaryRepository(t)
  await linked(repository)
  for (const threads of [0, 2]) {
    const controller = new AbortController()
    const stop = tap(() => controller.abort())
    await assert.rejects(lastValueFrom(fsck(repository, { threads, signal: controller.signal }).pipe(stop)), {
      code: 'SLUICE_CANCELLED',
    })
  }
})

test('threads that cannot start end a check with the reason', async (t) => {
  const repository = await temporaryRepository(t)
  const [here, gone] = [process.cwd(), temporaryDirectory(t)]
  process.chdir(gone)
  t.after(() => process.chdir(here))
  rmdirSync(gone)
  await assert.rejects(checkRepository(repository, { threads: 1 }), { code: 'SLUICE_IO', message: /working directory/ })
})

test('nothing is repaired where an object cannot be opened: it may be sound', async (t) => {
  const repository = await temporaryRepository(t)
  const plan = (id: ObjectId) => {
    const path = `objects/${objectPath(id)}`
    const closed = { problem: 'object-open-failed', path, id, parts: [path, 'EACCES'] } as const
    return planRepair(repository, { objects: [closed], wrongStreams: [] }, new Breather())
  }
  const { id } = repository.objects.store(Buffer.from('content'))
  await assert.rejects(plan(id), { code: 'SLUICE_READ_ONLY', message: /EACCES/ })
  // A link that leads nowhere is none.
  rmSync(repository.objects.path(id))
  symlinkSync('nowhere', repository.objects.path(id))
  assert.equal((await plan(id)).aside.length, 1)
})
