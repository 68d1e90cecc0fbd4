import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { streamName } from '../../src/repository/names.js'
import type { Repository } from '../../src/repository/repository.js'
import { SplitstreamWriter } from '../../src/stages/splitstream/write.js'
import { sha256, storeDocument } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const [head, body] = [Buffer.from('inline '), Buffer.alloc(700_000, 'external')]
const content = Buffer.concat([head, body, head])

/** A layer that holds `content`. */
async function storeContent(repository: Repository): Promise<{ stream: ObjectId; object: ObjectId }> {
  const { id: object } = repository.objects.store(body)
  const writer = new SplitstreamWriter(repository.objects, contentType.layer)
  writer.inline(head)
  writer.external(object, body.length)
  writer.inline(head)
  return { stream: (await writer.finish()).id, object }
}

async function deepErrors(repository: Repository): Promise<[corrupted: number, lines: string[]]> {
  const { streams_corrupted, errors } = await checkRepository(repository, { deep: true, threads: 0 })
  return [streams_corrupted, errors.filter((line) => !line.startsWith('fsck: object-'))]
}

test('layers are put together and compared with their names', async (t) => {
  const repository = await temporaryRepository(t)
  const { stream } = await storeContent(repository)
  const [right, wrong] = [sha256(content), sha256(body)]
  repository.streams.link(streamName.layer(right), stream)
  assert.deepEqual(await deepErrors(repository), [0, []])
  repository.streams.link(streamName.layer(wrong), stream)
  const lines = [`fsck: layer-digest-mismatch: streams/oci-layer-${wrong}: expected ${wrong}, got ${right}`]
  assert.deepEqual(await deepErrors(repository), [1, lines])
  assert.equal((await checkRepository(repository)).ok, true)
})

test('so are blobs, documents, and names with another hash', async (t) => {
  const repository = await temporaryRepository(t)
  const document = Buffer.from('{}')
  const right = sha256(document)
  const zeros = `sha256:${'0'.repeat(64)}`
  const kinds = {
    layer: contentType.blob,
    blob: contentType.blob,
    config: contentType.config,
    manifest: contentType.manifest,
  }
  for (const [kind, type] of Object.entries(kinds)) {
    const { stream } = await storeDocument(repository, type, document)
    repository.streams.link(`oci-${kind}-${right}`, stream)
    repository.streams.link(`oci-${kind}-${zeros}`, stream)
  }
  const { stream } = await storeDocument(repository, contentType.blob, document)
  // Names that promise nothing that can be checked.
  for (const name of ['plain', 'oci-layer-nonsense', 'oci-layer-md5:00']) repository.streams.link(name, stream)
  const line = (kind: string, problem: string) =>
    `fsck: ${problem}-digest-mismatch: streams/oci-${kind}-${zeros}: expected ${zeros}, got ${right}`
  assert.deepEqual(await deepErrors(repository), [
    4,
    [line('blob', 'layer'), line('config', 'config'), line('layer', 'layer'), line('manifest', 'manifest')],
  ])
})

test('a compressed tar in an artifact is kept as its tar under the digest of the blob, which nothing can be compared with', async (t) => {
  const repository = await temporaryRepository(t)
  const { stream } = await storeContent(repository)
  const blob = sha256(Buffer.from('the tar, compressed'))
  repository.streams.link(streamName.layer(blob), stream)
  const tar = 'application/vnd.oci.image.layer.v1.tar'
  const empty = 'application/vnd.oci.empty.v1+json'
  const lines = [`fsck: layer-digest-mismatch: streams/oci-layer-${blob}: expected ${blob}, got ${sha256(content)}`]
  const wrong = [1, lines] as const
  for (const [layerType, configType, expected] of [
    [tar, empty, wrong],
    [`${tar}+gzip`, 'application/vnd.oci.image.config.v1+json', wrong],
    [`${tar}+gzip`, empty, [0, []]],
  ] as const) {
    const config = { mediaType: configType, digest: sha256(Buffer.from('{}')), size: 2 }
    const layers = [{ mediaType: layerType, digest: blob, size: 19 }]
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }))
    const document = await storeDocument(repository, contentType.manifest, manifest)
    repository.streams.link(streamName.manifest(sha256(manifest)), document.stream)
    assert.deepEqual(await deepErrors(repository), expected, `${layerType}, ${configType}`)
  }
})

test('a damaged object makes its layer wrong; a missing one is told once', async (t) => {
  const repository = await temporaryRepository(t)
  const { stream, object } = await storeContent(repository)
  const name = streamName.layer(sha256(content))
  repository.streams.link(name, stream)
  writeFileSync(repository.objects.path(object), 'short')
  const [corrupted, [line]] = await deepErrors(repository)
  assert.equal(corrupted, 1)
  assert.match(
    line,
    /^fsck: layer-digest-mismatch: streams\/oci-layer-sha256:\w+: expected sha256:\w+, got sha256:\w+$/,
  )
})

test('a layer that opens but does not merge is named', async (t) => {
  const repository = await temporaryRepository(t)
  const { stream } = await storeContent(repository)
  const path = repository.objects.path(stream)
  const bytes = repository.objects.read(stream, 1 << 20)
  // Within the last frame, which is the compressed content.
  bytes[bytes.length - 3] ^= 0xff
  const { id } = repository.objects.store(bytes)
  assert.notEqual(repository.objects.path(id), path)
  repository.streams.link(streamName.layer(sha256(content)), id)
  const plain = await checkRepository(repository)
  assert.deepEqual(plain.errors, [])
  const [corrupted, lines] = await deepErrors(repository)
  assert.equal(corrupted, 1)
  assert.match(lines.join('\n'), /^fsck: layer-digest-mismatch: streams\/oci-layer-sha256:\w+: .+$/)
})
