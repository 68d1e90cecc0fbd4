import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { linkedErofsImages } from '../../src/pipelines/oci-images.js'
import { streamName } from '../../src/repository/names.js'
import { sha256, storeDocument } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const never = (): never => assert.fail('everything can be read')

test('an EROFS image leads to all others of its image, as cfsctl lists them', async (t) => {
  const repository = await temporaryRepository(t)
  const id = (digits: string) => digits.repeat(32) as ObjectId
  const refs: [string, ObjectId][] = [
    ['composefs.image', id('a2')],
    ['composefs.image.boot', id('b2')],
    ['composefs.image.boot.v1.xattrs=keep-user-xattrs', id('c1')],
    ['composefs.image.v1', id('a1')],
  ]
  for (const namedRefs of [[], refs]) {
    const text = JSON.stringify({ config: namedRefs.length })
    const config = await storeDocument(repository, contentType.config, Buffer.from(text), namedRefs)
    const configDigest = sha256(Buffer.from(text))
    repository.streams.link(streamName.config(configDigest), config.stream)
    const mediaType = 'application/vnd.oci.image.config.v1+json'
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, config: { mediaType, digest: configDigest, size: text.length }, layers: [] }),
    )
    const { stream } = await storeDocument(repository, contentType.manifest, manifest, [
      [`config:${configDigest}`, config.stream],
    ])
    repository.streams.link(streamName.manifest(sha256(manifest)), stream)
  }
  const images = [
    { id: id('a1'), bootable: false, version: 1, xattrMode: null },
    { id: id('a2'), bootable: false, version: 2, xattrMode: null },
    { id: id('c1'), bootable: true, version: 1, xattrMode: 'keep-user-xattrs' },
    { id: id('b2'), bootable: true, version: 2, xattrMode: 'allowlist-only' },
  ]
  for (const image of images) assert.deepEqual(linkedErofsImages(repository, image.id, never), images)
  assert.throws(() => linkedErofsImages(repository, id('ff'), never), { code: 'SLUICE_NOT_FOUND' })
})

test('an image whose documents cannot be read is told of, and hides no other one', async (t) => {
  const repository = await temporaryRepository(t)
  const name = streamName.manifest(`sha256:${'0'.repeat(64)}`)
  repository.streams.link(name, repository.objects.store(Buffer.from('no stream')).id)
  const told: string[] = []
  assert.throws(() => linkedErofsImages(repository, 'ff'.repeat(32) as ObjectId, (of) => told.push(of)), {
    code: 'SLUICE_NOT_FOUND',
  })
  assert.deepEqual(told, [name])
})
