/** Images of stores that podman made get the ids that the reference gives them when it pulls their layouts. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { streamName } from '../../src/repository/names.js'
import { TEMPORARY_PREFIX } from '../../src/repository/temporary-object.js'
import type { Repository } from '../../src/repository/repository.js'
import {
  expectedImages,
  importImage,
  missingStore,
  unpackStore,
  type ExpectedImage,
  type StoreName,
} from '../helpers/storage-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'

async function checkImage(
  repository: Repository,
  store: string,
  expected: ExpectedImage,
  algorithm: HashAlgorithm,
  threads: number,
): Promise<void> {
  const result = await importImage(repository, store, expected.name, { threads })
  const ids = expected[algorithm]
  assert.equal(result.manifestDigest, expected.manifest_digest)
  assert.equal(result.configDigest, expected.config_digest)
  assert.equal(result.images.get(1), ids.image_id_erofs)
  assert.deepEqual(
    expected.diff_ids.map((diffId) => repository.streams.objectOf(streamName.layer(diffId))),
    ids.layer_streams,
  )
  assert.equal(repository.streams.objectOf(streamName.config(expected.config_digest)), ids.config_stream)
  assert.equal(result.manifestVerity, ids.manifest_stream_before_image)
  const manifest = repository.streams.objectOf(streamName.manifest(expected.manifest_digest))
  assert.equal(manifest, ids.manifest_stream_final_in_order)
}

function noTemporaryFiles(repository: Repository): void {
  const names = readdirSync(repository.objects.directory)
  assert.deepEqual(
    names.filter((name) => name.startsWith(TEMPORARY_PREFIX)),
    [],
  )
}

function goldenTest(store: StoreName, algorithm: HashAlgorithm): void {
  test(`${store}, ${algorithm}`, { skip: missingStore(store) }, async (t: TestContext) => {
    const root = unpackStore(t, store)
    // Threads take longer to start than these images to import.
    const threads = store === 'main-full' && algorithm === 'sha512' ? 2 : 0
    for (const [name, expected] of expectedImages(store)) {
      await t.test(name, async (t) => {
        const repository = await temporaryRepository(t, { algorithm })
        await checkImage(repository, root, expected, algorithm, threads)
        noTemporaryFiles(repository)
        const { objects, layers } = await importImage(repository, root, expected.name)
        assert.equal(objects.newObjects + objects.presentObjects, 0)
        assert.equal(layers.fetched, 0)
      })
    }
  })
}

for (const store of ['main-full', 'main-plain', 'vfs'] as const) {
  for (const algorithm of ['sha256', 'sha512'] as const) goldenTest(store, algorithm)
}
