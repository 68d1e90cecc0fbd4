/** Stores made by podman and buildah: every image is found, and the tar of every layer is what it was. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { openStorageImage } from '../../src/stages/containers-storage/open-storage-image.js'
import { bareEnvironment, rebuildTar, unpackStore } from '../helpers/storage.js'
import { hasVector, readJsonVector } from '../helpers/vectors.js'

interface ExpectedImage {
  readonly name: string
  readonly image_id: string
  readonly config_digest: string
  readonly manifest_digest: string
  readonly diff_ids: readonly string[]
  readonly storage_layer_ids_base_to_top: readonly string[]
  readonly layer_tar_sizes: readonly number[]
}

interface ExpectedStore {
  readonly driver: string
  readonly images: Readonly<Record<string, ExpectedImage>>
}

const missing = (name: string) => ({ skip: !hasVector('cstor', 'stores', name) && 'not in the set of vectors at hand' })

for (const [archive, expectation] of [
  ['main-plain', 'main.expected.json'],
  ['vfs', 'vfs.expected.json'],
]) {
  describe(archive, missing(`${archive}.tar.gz`), () => {
    test('every image has its documents and its layers, each with its tar', async (t) => {
      const root = unpackStore(t, archive)
      const { images } = readJsonVector<ExpectedStore>('cstor', 'stores', expectation)
      for (const expected of Object.values(images)) {
        const image = await openStorageImage(expected.name, { storageRoot: root, env: bareEnvironment(root) })
        t.after(() => image.close())
        assert.equal(image.id, expected.image_id)
        assert.equal(image.store, root)
        assert.equal(image.configDigest, expected.config_digest)
        assert.equal(image.manifestDigest, expected.manifest_digest)
        // What occurs twice is read once, from where it occurs first.
        assert.deepEqual(
          image.layers.map(({ id }) => id),
          expected.diff_ids.map((id) => expected.storage_layer_ids_base_to_top[expected.diff_ids.indexOf(id)]),
        )
        assert.deepEqual(
          image.layers.map(({ size }) => size),
          expected.layer_tar_sizes,
        )
        for (const [i, layer] of image.layers.entries()) {
          const rebuilt = await rebuildTar(layer)
          assert.equal(rebuilt.diffId, expected.diff_ids[i], `${expected.name} ${i}`)
          assert.deepEqual(rebuilt.wrongChecksums, [])
          assert.equal(layer.mustVerify, false)
        }
      }
    })
  })
}

interface NameLookup {
  readonly cases: readonly { readonly ref: string; readonly image: string | null }[]
}

test('references find the image they mean', missing('main-plain.tar.gz'), async (t) => {
  const root = unpackStore(t, 'main-plain')
  const { images } = readJsonVector<ExpectedStore>('cstor', 'stores', 'main.expected.json')
  const { cases } = readJsonVector<NameLookup>('cstor', 'stores', 'name-lookup.json')
  for (const { ref, image: expected } of cases) {
    const reference = ref.replace(/^containers-storage:/, '')
    const opening = openStorageImage(reference, { storageRoot: root, env: bareEnvironment(root) })
    if (expected === null) {
      await assert.rejects(
        opening,
        (error) => error instanceof SluiceError && error.details['reason'] === 'IMAGE_NOT_FOUND',
        ref,
      )
    } else {
      const image = await opening
      image.close()
      assert.equal(image.id, images[expected].image_id, ref)
    }
  }
})

test('a store part of the reference names the store', missing('main-plain.tar.gz'), async (t) => {
  const root = unpackStore(t, 'main-plain')
  const { images } = readJsonVector<ExpectedStore>('cstor', 'stores', 'main.expected.json')
  for (const part of [`[overlay@${root}+/run/x]`, `[${root}]`, `[overlay2@${root}:overlay.mountopt=nodev]`]) {
    const image = await openStorageImage(`${part}localhost/basic:latest`, { env: bareEnvironment(join(root, 'home')) })
    image.close()
    assert.equal(image.id, images['basic'].image_id, part)
  }
})
