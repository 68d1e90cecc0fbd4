import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rmSync, symlinkSync } from 'node:fs'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import type { Digest } from '../../src/formats/digest.js'
import { describeLayer, importTarLayer } from '../../src/pipelines/oci-layers.js'
import { streamName } from '../../src/repository/names.js'
import { entry, pax, tarOf } from '../helpers/tar-build.js'
import { temporaryRepository } from '../helpers/temporary.js'

test('what is wrong with a header is told, also where the parser stopped behind an extension header', async (t) => {
  const repository = await temporaryRepository(t)
  const tar = tarOf(pax(['path', 'usr/a']), pax(['path', 'usr/b']), entry({ name: 'usr/c' }))
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}` as Digest
  await assert.rejects(importTarLayer(repository, diffId, Readable.from([tar])), {
    code: 'SLUICE_FORMAT',
    message: `layer ${diffId}: header at byte 1536: tar: second pax extended header before an entry`,
  })
})

test('figures of a layer ask for the objects that it holds, and tell which cannot be had', async (t) => {
  const repository = await temporaryRepository(t)
  const tar = tarOf(entry({ name: 'a' }, 'a'.repeat(100)))
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}` as Digest
  const stream = await importTarLayer(repository, diffId, Readable.from([tar]))
  const [object] = repository.openStream(streamName.layer(diffId)).objectRefs
  const file = repository.objects.read(stream, 1000)
  // Its table of objects gets another one, behind the end of the file.
  const table = Buffer.from(object + 'ab'.repeat(32), 'hex')
  file.writeBigUInt64LE(BigInt(file.length), 48)
  file.writeBigUInt64LE(BigInt(file.length + table.length), 56)
  repository.streams.link(streamName.layer(diffId), repository.objects.store(Buffer.concat([file, table])).id)
  const { splitstream } = await describeLayer(repository, diffId)
  assert.deepEqual(splitstream, { externalObjects: 2, externalSize: 100, inlineSize: tar.length - 100 })

  const path = repository.objects.path(object)
  rmSync(path)
  await assert.rejects(describeLayer(repository, diffId), { code: 'SLUICE_CORRUPT' })
  symlinkSync(path, path)
  await assert.rejects(describeLayer(repository, diffId), { code: 'SLUICE_IO' })
})
