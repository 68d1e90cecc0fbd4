/** Collection, checks, repair and measures where ostree commits are in the repository. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { lastValueFrom, tap } from 'rxjs'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { parseOstreeId, type OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { commitStreamName } from '../../src/formats/ostree/ref-name.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { collectGarbage, gc } from '../../src/pipelines/gc.js'
import {
  listOstreeImages,
  resolveOstreeCommit,
  tagOstreeCommit,
  untagOstreeCommit,
} from '../../src/pipelines/ostree-commits.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import { repairRepository } from '../../src/pipelines/repair.js'
import { measureRepository } from '../../src/pipelines/stats.js'
import type { Repository } from '../../src/repository/repository.js'
import { Breather } from '../../src/flow/breather.js'
import { encodeCommit } from '../../src/stages/ostree/encode-commit.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { reachableObjects } from '../../src/stages/ostree/reachable-objects.js'
import { readStoredCommit } from '../../src/stages/ostree/stored-commit.js'
import { ostreeVector } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

/** Branch `alpha/main` has these two. */
const first = parseOstreeId('961104bd9ca24fde69c51638f99583d9395667bef648b61700ffd6df4873938a')
const second = parseOstreeId('d5360fa56b094576d7c7612406cdd2ab5fc7530a30aae154e0088a8b5b15d7c6')

const archive = ostreeVector('archive')

async function pulled(t: TestContext, ...refs: string[]): Promise<Repository> {
  const repository = await temporaryRepository(t)
  for (const ref of refs) await pullOstreeCommit(repository, async () => openLocalOstree(archive), { ref, threads: 0 })
  return repository
}

/** Writes the stream of a commit anew, with other objects. */
async function forge(
  repository: Repository,
  commit: OstreeId,
  change: (objects: ReturnType<typeof entries>) => ReturnType<typeof entries>,
  name = commit,
): Promise<void> {
  const stored = await readStoredCommit(repository, commitStreamName(commit))
  const objects = new ObjectCollection()
  for (const { id, data, external } of change(entries(stored))) objects.add(id, data, external)
  const encoded = await encodeCommit(repository.objects, objects.payload(commit))
  repository.streams.link(commitStreamName(name), await encoded.storeWith(stored.image!))
}

function entries(stored: Awaited<ReturnType<typeof readStoredCommit>>) {
  return Array.from({ length: stored.payload.count }, (_, index) => {
    const id = stored.payload.idAt(index)
    return { id, ...stored.get(id)! }
  })
}

async function problems(repository: Repository, deep: boolean): Promise<string[]> {
  const { errors } = await checkRepository(repository, { deep, threads: 0 })
  return errors.map((line) => line.split(': ').slice(1, 3).join(' '))
}

test('fsck finds nothing wrong with what was pulled', async (t) => {
  const repository = await pulled(t, first, 'alpha/main', 'delta', 'empty')
  assert.deepEqual(await problems(repository, true), [])
})

test('fsck finds a missing file of a commit', async (t) => {
  const repository = await pulled(t, 'alpha/main')
  const stored = await readStoredCommit(repository, commitStreamName(second))
  rmSync(repository.objects.path(stored.externals.at(0)))
  assert.deepEqual((await problems(repository, false)).map((line) => line.split(' ')[0]).sort(), [
    'image-missing-object',
    'missing-object-ref',
  ])
})

const wrong = [`commit-digest-mismatch streams/${commitStreamName(second)}`]

for (const [what, change] of Object.entries<Parameters<typeof forge>[2]>({
  'an object that is another': (all) => {
    const smallest = all.reduce((a, b) => (a.data.length <= b.data.length ? a : b))
    return all.map((object) =>
      object === smallest ? { ...object, data: Buffer.alloc(object.data.length, 7) } : object,
    )
  },
  'a file with the content of another': (all) => {
    const [one, two] = all.filter(({ external }) => external !== undefined)
    return all.map((object) => (object === one ? { ...object, external: two.external! } : object))
  },
  'an object less': (all) =>
    all.filter(({ external }, at) => external === undefined || at !== all.findIndex((o) => o.external)),
})) {
  test(`fsck --deep finds ${what} in a commit`, async (t) => {
    const repository = await pulled(t, 'alpha/main')
    await forge(repository, second, change)
    assert.deepEqual(await problems(repository, false), [])
    assert.deepEqual(await problems(repository, true), wrong)
  })
}

test('fsck --deep finds a commit under the name of another', async (t) => {
  const repository = await pulled(t, first, 'alpha/main')
  await forge(repository, first, (all) => all, second)
  assert.deepEqual(await problems(repository, true), wrong)
})

test('a repair forgets a damaged commit and names its refs; another pull brings it back', needsLock, async (t) => {
  const repository = await pulled(t, 'alpha/main', 'empty')
  await tagOstreeCommit(repository, 'alpha/main', 'a%/b')
  await forge(repository, second, (all) => all.slice(0, -1))
  const { pullCommitsAgain, remaining } = await repairRepository(repository, { deep: true, threads: 0 })
  assert.deepEqual([[...pullCommitsAgain].sort(), remaining], [['a%/b', 'alpha/main'], []])
  await pullOstreeCommit(repository, async () => openLocalOstree(archive), { ref: 'alpha/main', threads: 0 })
  assert.deepEqual(await problems(repository, true), [])
})

test('directories that a stored parent has outside of its stream are fetched', async (t) => {
  const repository = await pulled(t, first)
  const stored = await readStoredCommit(repository, commitStreamName(first))
  const { metadata } = await reachableObjects(stored, first, new Breather(undefined))
  const directories = new Set(metadata.filter(({ type }) => type !== 'commit').map(({ id }) => id))
  const external = stored.externals.at(0)
  await forge(repository, first, (all) =>
    all.map((entry) => (directories.has(entry.id) ? { ...entry, external } : entry)),
  )
  const { image } = await pullOstreeCommit(repository, async () => openLocalOstree(archive), {
    ref: second,
    threads: 0,
  })
  const elsewhere = await temporaryRepository(t)
  const alone = await pullOstreeCommit(elsewhere, async () => openLocalOstree(archive), { ref: second, threads: 0 })
  assert.equal(image, alone.image)
})

test('a stored commit may have any name that is one of a file, once its slashes are encoded', async (t) => {
  const repository = await pulled(t, first)
  for (const name of ['/a', 'a//b', '//', 'x y\n']) {
    assert.equal(await tagOstreeCommit(repository, first, name), first)
    assert.equal(resolveOstreeCommit(repository, name), first)
    assert.deepEqual(listOstreeImages(repository), [{ name, commit: first }])
    untagOstreeCommit(repository, name)
    assert.throws(() => resolveOstreeCommit(repository, name), { code: 'SLUICE_NOT_FOUND' })
  }
  await assert.rejects(tagOstreeCommit(repository, first, '..'), { code: 'SLUICE_USAGE' })
})

test('gc keeps what a ref needs, and no more', needsLock, async (t) => {
  const repository = await pulled(t, first, 'alpha/main', 'delta')
  const nothingLost = async (...commits: OstreeId[]) => {
    assert.deepEqual(await problems(repository, true), [])
    const streams = repository.streams.entries().map(({ name }) => name)
    assert.deepEqual(streams, commits.map(commitStreamName).sort())
    assert.equal(repository.images.entries().length, commits.length)
  }
  const delta = parseOstreeId('e16c9d7552ac26a8165b7be7a79d9662fbc968a7c7b255b575af9c5ff59bd13b')
  await collectGarbage(repository)
  await nothingLost(second, delta)
  await collectGarbage(repository, { extraRoots: [commitStreamName(delta)] })
  untagOstreeCommit(repository, 'delta')
  await collectGarbage(repository)
  await nothingLost(second)
  untagOstreeCommit(repository, 'alpha/main')
  await collectGarbage(repository)
  await nothingLost()
  assert.deepEqual(
    readdirSync(join(repository.path, 'objects')).flatMap((xx) => readdirSync(join(repository.path, 'objects', xx))),
    [],
  )
})

test('what is being collected by the same handle gets no ref', needsLock, async (t) => {
  const repository = await pulled(t, first)
  let tagging: Promise<void> | undefined
  const tagMeanwhile = tap((event: { type: string }) => {
    if (event.type !== 'planned') return
    tagging = assert.rejects(async () => tagOstreeCommit(repository, first, 'late'), { code: 'SLUICE_NOT_FOUND' })
  })
  await lastValueFrom(gc(repository).pipe(tagMeanwhile))
  await tagging
  assert.deepEqual(listOstreeImages(repository), [])
})

test('stats counts commits by their refs, and what they share', async (t) => {
  const repository = await pulled(t, first, 'alpha/main')
  await tagOstreeCommit(repository, first, 'old/main')
  const { refs, repository: all, deduplication } = await measureRepository(repository)
  assert.deepEqual(
    refs.map(({ kind, name, commit, manifestDigest }) => ({ kind, name, commit, manifestDigest })),
    [
      { kind: 'ostree', name: 'alpha/main', commit: second, manifestDigest: undefined },
      { kind: 'ostree', name: 'old/main', commit: first, manifestDigest: undefined },
    ],
  )
  const stored = await readStoredCommit(repository, commitStreamName(second))
  assert.equal(refs[0].files.count, stored.externals.length)
  assert.ok(refs[0].sharedFiles.count > 0)
  assert.equal(refs[0].sharedFiles.count, refs[1].sharedFiles.count)
  assert.equal(all.unreferenced.count, 0)
  assert.equal(deduplication.savedByFilesBytes, refs[0].sharedFiles.bytes)
})
