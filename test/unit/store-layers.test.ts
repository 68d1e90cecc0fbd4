/** When layers are there, and when they get their names (repository.md §2.9). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import type { Digest } from '../../src/formats/digest.js'
import type { ImageLayer } from '../../src/formats/oci/image-layers.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { storeLayers, type StoreLayers } from '../../src/pipelines/store-layers.js'
import { streamName } from '../../src/repository/names.js'
import type { Repository } from '../../src/repository/repository.js'
import { SplitstreamWriter } from '../../src/stages/splitstream/write.js'
import { sha256 } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest

function layer(n: number): ImageLayer {
  const mediaType = 'application/vnd.oci.image.layer.v1.tar'
  const id = digestOf(n)
  return {
    id,
    diffId: id,
    descriptor: { mediaType, digest: digestOf(n + 100), size: 4_000_000 },
    treatment: { type: 'tar', compression: 'none' },
  }
}

const layers = [layer(1), layer(2)]
const names = (repository: Repository) =>
  layers.map(({ id }) => repository.streams.objectOf(streamName.layer(id)) !== undefined)

/** Stores `wanted`, as objects that say which one they are. */
function store(repository: Repository, fetch?: StoreLayers['fetch'], wanted = layers) {
  const fetchAny: StoreLayers['fetch'] = async ({ id }) => repository.objects.store(Buffer.from(id)).id
  const { signal } = new AbortController()
  const run = { repository, concurrency: 2, keepParts: true, signal, emit: () => undefined, fetch: fetch ?? fetchAny }
  return storeLayers(run, wanted)
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

test('layers are there before they are on disk, and have their names after it', async (t) => {
  const repository = await temporaryRepository(t)
  const written = gate()
  t.mock.method(repository, 'sync', () => written.opened)
  const { streams, fetched } = store(repository)
  assert.deepEqual([...(await streams).keys()].sort(), [digestOf(1), digestOf(2)])
  assert.deepEqual(names(repository), [false, false])
  written.open()
  assert.equal(await fetched, 2)
  assert.deepEqual(names(repository), [true, true])
})

test('what cannot be written out gets no name', async (t) => {
  const repository = await temporaryRepository(t)
  t.mock.method(repository, 'sync', () => Promise.reject(new SluiceError('SLUICE_IO', 'the disk is gone')))
  const { streams, fetched } = store(repository)
  await streams
  await assert.rejects(fetched, { code: 'SLUICE_IO', message: /^layer sha256:0.*: the disk is gone$/ })
  assert.deepEqual(names(repository), [false, false])
})

test('on a full disk what arrived of other blobs gives way to a name', async (t) => {
  const repository = await temporaryRepository(t)
  const arrived = gate()
  const named = gate()
  const sync = t.mock.method(repository, 'sync', async () => named.open())
  sync.mock.mockImplementationOnce(() => Promise.reject(new SluiceError('SLUICE_NO_SPACE', 'the disk is full')))
  const { fetched } = store(repository, async ({ id }, part) => {
    if (id === digestOf(2)) {
      for (let i = 0; i < 20; i++) await part!.append(Buffer.alloc(100_000))
      while (part!.length === 0) await nextTurn()
      arrived.open()
      await named.opened
    } else await arrived.opened
    return repository.objects.store(Buffer.from(id)).id
  })
  assert.equal(await fetched, 2)
  assert.ok(repository.parts.freed > 0)
  assert.equal(sync.mock.callCount(), 3)
  assert.deepEqual(names(repository), [true, true])
})

test('a blob that is stored as the tar of an image is not stored again, and leaves that its name', async (t) => {
  const repository = await temporaryRepository(t)
  const [tar, body] = [Buffer.from('a tar, as far as this goes'), Buffer.alloc(1000, 'x')]
  const writer = new SplitstreamWriter(repository.objects, contentType.layer)
  writer.inline(tar)
  writer.external(repository.objects.store(body).id, body.length)
  const { id: stream } = await writer.finish()
  const mediaType = 'application/x-tar'
  const pullBlob = async (digest: Digest) => {
    repository.streams.link(streamName.layer(digest), stream)
    const size = tar.length + body.length
    const blob: ImageLayer = {
      id: digest,
      diffId: undefined,
      descriptor: { mediaType, digest, size },
      treatment: { type: 'blob' },
    }
    const { streams, fetched } = store(repository, undefined, [blob])
    return { fetched: await fetched, stream: (await streams).get(digest) }
  }
  assert.deepEqual(await pullBlob(sha256(Buffer.concat([tar, body]))), { fetched: 0, stream })
  // What was a compressed tar stands for other bytes than its name says.
  assert.equal((await pullBlob(digestOf(3))).fetched, 1)
})
