/** More layers at a time than the slabs of a usual run would do for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { layerTar, pullFrom, serveImage } from '../helpers/pull.js'
import { startRegistry } from '../helpers/registry-client.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { recordWarnings } from '../helpers/warnings.js'

const LAYERS = 28
/** What arrives of each takes a slab, and so does what is next: all layers together more than there were. */
const SIZES = [2_300_000, 10]

test(`${LAYERS} layers at a time do not wait for each other's memory, and nobody warns of a leak`, async (t) => {
  const registry = await startRegistry(t)
  serveImage(
    registry,
    'many',
    Array.from({ length: LAYERS }, (_, i) => layerTar(`layer${i}`, SIZES)),
  )
  const repository = await temporaryRepository(t)
  const warnings = recordWarnings(t)

  const { layers } = await pullFrom(repository, registry, 'many', {
    concurrency: LAYERS,
    maxMemory: 1024 * 1024 * 1024,
    signal: AbortSignal.timeout(300_000),
  })
  assert.deepEqual(layers, { total: LAYERS, fetched: LAYERS })
  assert.deepEqual(warnings, [])
  assert.equal((await checkRepository(repository, { metadataOnly: false })).ok, true)
})
