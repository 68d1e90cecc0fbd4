import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { untagImage } from '../../src/pipelines/oci-images.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { measureRepository } from '../../src/pipelines/stats.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { storeNamedLayer, storeTaggedImage } from '../helpers/stored-images.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const FILES = 10
const LAYERS = 4

const model = fc.record({
  layers: fc.array(fc.uniqueArray(fc.nat(FILES - 1), { maxLength: 5 }), { minLength: LAYERS, maxLength: LAYERS }),
  images: fc.array(
    fc.record({
      layers: fc.uniqueArray(fc.nat(LAYERS - 1), { maxLength: LAYERS }),
      tags: fc.integer({ min: 0, max: 2 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

test('what removing a tag frees is what the next collection finds more', async (t) => {
  const path = `${temporaryDirectory(t)}/repo`
  await fc.assert(
    fc.asyncProperty(model, async ({ layers, images }) => {
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path)
      await initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true })
      using repository = await Repository.open(path, { insecure: true })
      const files = Array.from({ length: FILES }, (_, i) => repository.objects.store(Buffer.alloc(65 + i, i)).id)
      const stored = await Promise.all(
        layers.map((layer) =>
          storeNamedLayer(
            repository,
            layer.map((i) => files[i]),
          ),
        ),
      )
      for (const [i, image] of images.entries()) {
        const tags = Array.from({ length: image.tags }, (_, tag) => `image${i}:${tag}`)
        const its = image.layers.map((layer) => stored[layer])
        await storeTaggedImage(repository, `image${i}`, its, tags)
      }

      for (;;) {
        const { refs, repository: total, deduplication } = await measureRepository(repository)
        const before = await collectGarbage(repository, { dryRun: true })
        assert.deepEqual(total.unreferenced, { count: before.objectsRemoved, bytes: before.objectsBytes })
        assert.equal(total.uniqueFiles.bytes + total.sharedFiles.bytes, total.files.bytes)
        const { separateBytes, savedByLayersBytes, savedByFilesBytes, storedBytes } = deduplication
        assert.equal(separateBytes - savedByLayersBytes - savedByFilesBytes, storedBytes)
        if (refs.length === 0) return
        const { name, freed } = refs[total.objects.count % refs.length]
        untagImage(repository, name)
        const after = await collectGarbage(repository, { dryRun: true })
        assert.deepEqual(freed, {
          count: after.objectsRemoved - before.objectsRemoved,
          bytes: after.objectsBytes - before.objectsBytes,
        })
      }
    }),
    { numRuns: 15 },
  )
})
