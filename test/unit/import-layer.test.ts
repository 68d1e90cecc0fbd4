import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import type { Digest } from '../../src/formats/digest.js'
import { importTarLayer } from '../../src/pipelines/oci-layers.js'
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
