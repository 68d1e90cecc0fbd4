import assert from 'node:assert/strict'
import { rmSync, statSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { ObjectId } from '../../src/formats/digest.js'
import { measureRepository } from '../../src/pipelines/stats.js'
import type { Repository } from '../../src/repository/repository.js'
import { listFiles } from '../helpers/reference-repository.js'
import { storeImage, storeLayer } from '../helpers/stored-graph.js'
import { storeNamedLayer, storeTaggedImage } from '../helpers/stored-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

/** A file of so many bytes; files of different sizes differ. */
const storeFile = (repository: Repository, size: number): ObjectId =>
  repository.objects.store(Buffer.alloc(size, size % 251)).id

const sizeOf = (repository: Repository, ...ids: ObjectId[]) =>
  ids.reduce((sum, id) => sum + statSync(repository.objects.path(id)).size, 0)

const amount = (count: number, bytes: number) => ({ count, bytes })

/** Image `a` has layers of 100 + 200 and of 200 + 400 bytes, image `b` the first of them and one of 800 bytes. */
async function sharingRepository(repository: Repository) {
  const [f100, f200, f400, f800] = [100, 200, 400, 800].map((size) => storeFile(repository, size))
  const base = await storeNamedLayer(repository, [f100, f200])
  const middle = await storeNamedLayer(repository, [f200, f400])
  const top = await storeNamedLayer(repository, [f800])
  const a = await storeTaggedImage(repository, 'a', [base, middle], ['a', 'other/a:1'])
  const b = await storeTaggedImage(repository, 'b', [base, top])
  return { base, middle, top, a, b, f800 }
}

test('files of one image and of several, what tags free, and what sharing saves', async (t) => {
  const repository = await temporaryRepository(t)
  const { base, middle, top, a, b, f800 } = await sharingRepository(repository)
  const before = listFiles(repository.path)
  const stats = await measureRepository(repository)
  assert.deepEqual(listFiles(repository.path), before)

  const own = [b.erofs, b.config.stream, b.config.document, b.manifest.stream, b.manifest.document, top.id, f800]
  const sameImage = {
    kind: 'oci',
    manifestDigest: a.manifestDigest,
    commit: undefined,
    layers: 2,
    files: amount(3, 700),
    uniqueFiles: amount(1, 400),
    sharedFiles: amount(2, 300),
    freed: amount(0, 0),
  }
  assert.deepEqual(stats.refs, [
    { name: 'a', ...sameImage },
    {
      name: 'b',
      kind: 'oci',
      manifestDigest: b.manifestDigest,
      commit: undefined,
      layers: 2,
      files: amount(3, 1100),
      uniqueFiles: amount(1, 800),
      sharedFiles: amount(2, 300),
      freed: amount(7, sizeOf(repository, ...own)),
    },
    { name: 'other/a:1', ...sameImage },
  ])

  const all = before.filter((path) => path.startsWith('objects/'))
  const allBytes = all.reduce((sum, path) => sum + statSync(`${repository.path}/${path}`).size, 0)
  assert.deepEqual(stats.repository, {
    objects: amount(all.length, allBytes),
    files: amount(4, 1500),
    uniqueFiles: amount(2, 1200),
    sharedFiles: amount(2, 300),
    unreferenced: amount(0, 0),
    missingObjects: 0,
  })

  const streams = sizeOf(repository, base.id, middle.id, top.id)
  assert.deepEqual(stats.deduplication, {
    separateBytes: 300 + 600 + 300 + 800 + streams + sizeOf(repository, base.id),
    savedByLayersBytes: 300 + sizeOf(repository, base.id),
    savedByFilesBytes: 200,
    storedBytes: 1500 + streams,
  })
})

test('the largest objects come with a file that has them', async (t) => {
  const repository = await temporaryRepository(t)
  const { a, f800 } = await sharingRepository(repository)
  const garbage = storeFile(repository, 700)
  const { largestObjects } = await measureRepository(repository, { largest: 5 })
  const images = largestObjects.slice(0, 2)
  assert.deepEqual(
    images.map(({ kind, path }) => [kind, path]),
    Array.from({ length: 2 }, () => ['image', undefined]),
  )
  assert.ok(images.some(({ id }) => id === a.erofs))
  assert.deepEqual(largestObjects.slice(2, 4), [
    { id: f800, bytes: 800, kind: 'file', name: 'b', path: '/file2' },
    { id: garbage, bytes: 700, kind: 'unreferenced', name: undefined, path: undefined },
  ])
  assert.equal(largestObjects.length, 5)
  rmSync(repository.objects.path(a.erofs))
  const without = await measureRepository(repository, { largest: 100 })
  assert.equal(without.repository.missingObjects, 1)
  assert.equal(without.largestObjects.find(({ bytes }) => bytes === 400)?.path, undefined)
})

test('names of EROFS images and of single streams are refs too', async (t) => {
  const repository = await temporaryRepository(t)
  const [only, both] = [storeFile(repository, 1000), storeFile(repository, 70)]
  const image = storeImage(repository, [only, both])
  repository.images.link(image, image)
  repository.images.linkRef('sys/root', image)
  const layer = await storeLayer(repository, [both])
  repository.streams.link('layer', layer)
  repository.streams.linkRef('my/layer', 'layer')
  const { refs, deduplication } = await measureRepository(repository)
  const facts = refs.map(({ name, kind, uniqueFiles, freed }) => [name, kind, uniqueFiles.bytes, freed])
  assert.deepEqual(facts, [
    ['sys/root', 'image', 1000, amount(2, sizeOf(repository, image, only))],
    ['my/layer', 'stream', 0, amount(1, sizeOf(repository, layer))],
  ])
  assert.equal(deduplication.separateBytes, 0, 'of tagged images only')
})

test('objects that are missing take nothing, and are counted', async (t) => {
  const repository = await temporaryRepository(t)
  const { f800 } = await sharingRepository(repository)
  rmSync(repository.objects.path(f800))
  const { refs, repository: total } = await measureRepository(repository)
  assert.equal(total.missingObjects, 1)
  assert.deepEqual(refs.find(({ name }) => name === 'b')?.files, amount(2, 300))
})

test('an empty repository has nothing to tell', async (t) => {
  const repository = await temporaryRepository(t)
  const { refs, largestObjects, repository: total } = await measureRepository(repository)
  assert.deepEqual([refs, largestObjects, total.objects], [[], [], amount(0, 0)])
})

test('what a collection refuses cannot be measured either, and is named', async (t) => {
  const fails = async (break_: (repository: Repository) => void, message: RegExp) => {
    const repository = await temporaryRepository(t)
    await sharingRepository(repository)
    break_(repository)
    await assert.rejects(measureRepository(repository), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'SLUICE_CORRUPT')
      assert.match(error.message, message)
      return true
    })
  }
  await fails(({ streams }) => symlinkSync('../../nothing', streams.path('refs/oci/x')), /refs\/oci\/x points to/)
  await fails(({ path }) => {
    mkdirSync(`${path}/objects/00`, { recursive: true })
    writeFileSync(`${path}/objects/00/README`, '')
  }, /objects\/00\/README is not an object/)
})
