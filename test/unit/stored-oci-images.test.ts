/** Images as they lie in a repository: which config belongs to one, and what refers to it (oci.md §3.2, §5). */
import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { test } from 'node:test'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { inspectOciImage, listOciImages } from '../../src/pipelines/oci-images.js'
import { imageId, storedImageId } from '../../src/pipelines/oci-tree.js'
import { streamName } from '../../src/repository/names.js'
import type { Repository } from '../../src/repository/repository.js'
import { sha256, storeDocument, type NamedRefs } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const never = (): never => assert.fail('everything can be read')
const configBytes = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
const configDigest = sha256(configBytes)
const erofsImage = (digits: string): NamedRefs => [['composefs.image.v1', digits.repeat(64) as ObjectId]]

const storeConfig = async (repository: Repository, refs: NamedRefs): Promise<ObjectId> =>
  (await storeDocument(repository, contentType.config, configBytes, refs)).stream

/** A manifest of that config, told from others by its annotation. */
async function storeManifest(repository: Repository, what: string, refs: NamedRefs): Promise<Digest> {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: configDigest, size: 1 }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [], annotations: { what } }))
  const { stream } = await storeDocument(repository, contentType.manifest, bytes, refs)
  repository.streams.link(streamName.manifest(sha256(bytes)), stream)
  return sha256(bytes)
}

test('the config of an image is the stream that its manifest keeps, whatever has its name by now', async (t) => {
  const repository = await temporaryRepository(t)
  const config = await storeConfig(repository, erofsImage('a'))
  const manifest = await storeManifest(repository, 'image', [[`config:${configDigest}`, config]])
  repository.streams.linkRef('oci/app', streamName.manifest(manifest))
  const check = async () => {
    assert.deepEqual(
      listOciImages(repository, never).map(({ name }) => name),
      ['app'],
    )
    assert.equal(inspectOciImage(repository, 'app').composefs_erofs, 'a'.repeat(64))
    assert.equal(storedImageId(repository, 'app'), 'a'.repeat(64))
    const options = { xattrs: 'allowlist-only', parity: false } as const
    const id = await imageId(repository, 'app', options)
    assert.equal(await imageId(repository, `@${configDigest}`, { ...options, verity: config }), id)
  }
  // As by a pull of another image with the same config, into another EROFS version; and after a collection without that one.
  repository.streams.link(streamName.config(configDigest), await storeConfig(repository, erofsImage('b')))
  await check()
  unlinkSync(repository.streams.path(streamName.config(configDigest)))
  await check()
})

test('an image whose manifest keeps no config is left out', async (t) => {
  const repository = await temporaryRepository(t)
  repository.streams.link(streamName.config(configDigest), await storeConfig(repository, []))
  const manifest = await storeManifest(repository, 'image', [])
  repository.streams.linkRef('oci/app', streamName.manifest(manifest))
  const told: string[] = []
  assert.deepEqual(
    listOciImages(repository, (name) => told.push(name)),
    [],
  )
  assert.deepEqual(told, ['app'])
  assert.throws(() => inspectOciImage(repository, 'app'), { code: 'SLUICE_CORRUPT' })
})

test('referrers are those that are stored', async (t) => {
  const repository = await temporaryRepository(t)
  const refs: NamedRefs = [[`config:${configDigest}`, await storeConfig(repository, [])]]
  const manifest = await storeManifest(repository, 'image', refs)
  const referrer = await storeManifest(repository, 'referrer', refs)
  const gone = sha256(Buffer.from('gone'))
  const refer = (name: string, digest: Digest) =>
    repository.streams.linkRef(`oci-referrers/${manifest}/${name}`, streamName.manifest(digest))
  refer(referrer, referrer)
  refer(gone, gone)
  refer('sha256:another', referrer)
  assert.deepEqual(inspectOciImage(repository, `@${manifest}`).referrers, [referrer])
})
