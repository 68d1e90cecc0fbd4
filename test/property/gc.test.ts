import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { objectPath, type Digest, type ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { initRepository } from '../../src/repository/init.js'
import { streamName } from '../../src/repository/names.js'
import { Repository } from '../../src/repository/repository.js'
import { listFiles } from '../helpers/reference-repository.js'
import { sha256, storeDocument, storeImage, storeLayer } from '../helpers/stored-graph.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const FILES = 12

const files = fc.uniqueArray(fc.nat(FILES - 1), { maxLength: 6 })

/** Layers of files, images of layers, EROFS images of files; which of them have refs or are extra roots. */
const model = fc.record({
  layers: fc.array(fc.record({ files, named: fc.boolean() }), { minLength: 1, maxLength: 5 }),
  images: fc.array(
    fc.record({
      layers: fc.array(fc.nat(4), { maxLength: 4 }),
      erofs: fc.boolean(),
      tags: fc.nat(2),
      extraRoot: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  standalone: fc.array(fc.record({ files, named: fc.boolean(), extraRoot: fc.boolean() }), { maxLength: 3 }),
})

type Model = typeof model extends fc.Arbitrary<infer T> ? T : never

interface Built {
  /** Ids of what must survive, by the rules of the model alone. */
  readonly live: ReadonlySet<ObjectId>
  readonly extraRoots: readonly string[]
}

async function build(repository: Repository, { layers, images, standalone }: Model): Promise<Built> {
  const live = new Set<ObjectId>()
  const extraRoots = ['refs/oci/nothing', 'no-such-entry']
  const objects = Array.from({ length: FILES }, (_, i) => repository.objects.store(Buffer.alloc(65, i)).id)
  const pick = (indexes: readonly number[]) => indexes.map((i) => objects[i])

  const stored: { digest: Digest; id: ObjectId; needs: ObjectId[]; files: number[] }[] = []
  for (const [i, layer] of layers.entries()) {
    const digest = sha256(Buffer.from(`layer ${i}`))
    const id = await storeLayer(repository, pick(layer.files))
    repository.streams.link(streamName.layer(digest), id)
    if (layer.named) repository.streams.linkRef(`my/layers/${i}`, streamName.layer(digest))
    const needs = [id, ...pick(layer.files)]
    if (layer.named) needs.forEach((need) => live.add(need))
    stored.push({ digest, id, needs, files: layer.files })
  }

  for (const [i, image] of images.entries()) {
    const its = image.layers.flatMap((index) => stored.slice(index, index + 1))
    const layerRefs = its.map(({ digest, id }) => [digest, id] as const)
    const config = Buffer.from(`{"config":${i}}`)
    const erofs = image.erofs ? [storeImage(repository, pick(its.flatMap((layer) => layer.files)))] : []
    for (const id of erofs) repository.images.link(id, id)
    const imageRefs = erofs.map((id) => ['composefs.image.v1', id] as const)
    const configStream = await storeDocument(repository, contentType.config, config, [...layerRefs, ...imageRefs])
    repository.streams.link(streamName.config(sha256(config)), configStream.stream)

    const manifest = Buffer.from(`{"manifest":${i}}`)
    const manifestStream = await storeDocument(repository, contentType.manifest, manifest, [
      [`config:${sha256(config)}`, configStream.stream],
      ...layerRefs,
    ])
    const name = streamName.manifest(sha256(manifest))
    repository.streams.link(name, manifestStream.stream)
    for (let tag = 0; tag < image.tags; tag++) repository.streams.linkRef(`oci/image%2F${i}:${tag}`, name)
    if (image.extraRoot) extraRoots.push(name)
    if (image.tags === 0 && !image.extraRoot) continue
    for (const { stream, document } of [configStream, manifestStream]) live.add(stream).add(document)
    for (const id of [...erofs, ...its.flatMap((layer) => layer.needs)]) live.add(id)
  }

  for (const [i, image] of standalone.entries()) {
    const id = storeImage(repository, pick(image.files))
    repository.images.link(id, id)
    if (image.named) repository.images.linkRef(`sys/${i}`, id)
    if (image.extraRoot) extraRoots.push(id)
    if (image.named || image.extraRoot) [id, ...pick(image.files)].forEach((need) => live.add(need))
  }
  return { live, extraRoots }
}

/** Paths that must be left: refs, the links of live objects, and these. */
function expectedFiles(repository: Repository, live: ReadonlySet<ObjectId>): string[] {
  const links = [repository.images, repository.streams].flatMap((category) =>
    category
      .entries()
      .filter(({ name }) => live.has(category.objectOf(name)!))
      .map(({ name }) => `${category.name}/${name}`),
  )
  const refs = listFiles(repository.path).filter((path) => /^(images|streams)\/refs\//.test(path))
  return ['meta.json', ...[...live].map((id) => `objects/${objectPath(id)}`), ...links, ...refs].sort()
}

test('what can be reached survives a collection, everything else goes, and a dry run tells it', async (t) => {
  if (!lockingAvailable()) return t.skip('there is no native code here, or SLUICE_NATIVE=off')
  const path = `${temporaryDirectory(t)}/repo`
  await fc.assert(
    fc.asyncProperty(model, fc.constantFrom('sha256' as const, 'sha512' as const), async (graph, algorithm) => {
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path)
      await initRepository(path, { algorithm, erofsVersion: 1, insecure: true })
      using repository = await Repository.open(path, { insecure: true })
      const { live, extraRoots } = await build(repository, graph)
      const before = listFiles(path)
      const expected = expectedFiles(repository, live)

      const dry = await collectGarbage(repository, { extraRoots, dryRun: true })
      assert.deepEqual(listFiles(path), before)
      assert.deepEqual(await collectGarbage(repository, { extraRoots }), dry)
      assert.deepEqual(listFiles(path), expected)
      const { objectsRemoved, imagesPruned, streamsPruned } = dry
      assert.equal(objectsRemoved + imagesPruned + streamsPruned, before.length - expected.length)
      assert.deepEqual((await checkRepository(repository)).errors, [])
    }),
    { numRuns: 25 },
  )
})
