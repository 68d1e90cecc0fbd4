/** Whole pulls of the image vectors: the reference's verdicts, chunks, references, image ids and dumps (vectors/oci/README.md). */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { Digest, HashAlgorithm, ObjectId } from '../../src/formats/digest.js'
import type { ErofsVersion } from '../../src/formats/erofs/format.js'
import { Repository } from '../../src/repository/repository.js'
import { describeLayer, layerTar } from '../../src/pipelines/oci-layers.js'
import { dumpImage, imageId, storedImageId } from '../../src/pipelines/oci-tree.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import { directoryLayoutFiles } from '../../src/stages/fetch/layout-files.js'
import { OciLayoutSource } from '../../src/stages/fetch/oci-layout.js'
import { streamParts } from '../../src/stages/splitstream/read.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, readVector, vectorPath } from '../helpers/vectors.js'

interface LayerVector {
  stream: string
  content_type: string
  total_size: number
  object_refs: string[]
  chunks: ({ inline: number; sha256: string } | { external: string; size: number })[]
  layer_json: Record<string, unknown> | null
}

interface ErofsVector {
  manifest_stream_before_rewrite: string
  config_named_refs: Record<string, string>
  config_stream_refs: string[]
  config_stream: string
  config_object_refs: string[]
  manifest_named_refs: Record<string, string>
  manifest_object_refs: string[]
  composefs_erofs?: string | null
  compute_id?: string | { error: string[] }
  compute_id_keep_user?: string | { error: string[] }
  compute_id_format0?: string | { error: string[] }
}

interface AlgorithmVector {
  layers: Record<string, LayerVector>
  erofs_v1: ErofsVector
  erofs_v2: ErofsVector
}

interface ImageVector {
  verdict: Record<
    string,
    { pull: 'ok' | 'error'; error?: string[]; streams_after: string[]; summary_objects_line?: string }
  >
  manifest_digest: Digest
  config_digest: Digest
  is_container_image: boolean
  sha256?: AlgorithmVector
  sha512?: AlgorithmVector
}

const REFERENCE = '0.9.4'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const treeOptions = { xattrs: 'allowlist-only', parity: true } as const

function unpack(t: TestContext, name: string): string {
  const directory = join(temporaryDirectory(t), 'layout')
  mkdirSync(directory)
  execFileSync('tar', ['-C', directory, '-xf', vectorPath('oci', 'images', name, 'layout.tar')])
  return directory
}

const pull = (repository: Repository, layout: string, parity = true) =>
  pullOciImage(
    repository,
    async () => new OciLayoutSource(directoryLayoutFiles(layout), layout, { tag: 'latest', parity }),
    { tag: 't', platform: { os: 'linux', architecture: 'amd64' }, parity },
  )

const streamNames = (repository: Repository) => repository.streams.entries().map((entry) => entry.name)

async function checkLayer(
  repository: Repository,
  diffId: string,
  expected: LayerVector,
  isContainer: boolean,
): Promise<void> {
  const stream = repository.openStream(`oci-layer-${diffId}`, expected.content_type)
  const chunks: LayerVector['chunks'] = []
  let inline: Uint8Array[] = []
  const endRun = () => {
    const bytes = Buffer.concat(inline)
    if (bytes.length > 0) chunks.push({ inline: bytes.length, sha256: sha256(bytes) })
    inline = []
  }
  for await (const parts of streamParts(stream)) {
    for (const part of parts) {
      if (typeof part !== 'number') {
        inline.push(part)
        continue
      }
      endRun()
      const id = stream.objectRefs.at(part)
      chunks.push({ external: id, size: repository.objects.read(id, 1 << 30).length })
    }
  }
  endRun()
  assert.deepEqual(chunks, expected.chunks)
  assert.deepEqual([...stream.objectRefs], expected.object_refs)
  assert.equal(Number(stream.size), expected.total_size)
  stream.close()
  // Layers of artifacts are named by their blobs, and have no figures.
  if (expected.content_type !== 'ocilayer' || !isContainer) return
  const tar: Uint8Array[] = []
  for await (const piece of layerTar(repository, diffId as Digest)) tar.push(piece)
  assert.equal(`sha256:${sha256(Buffer.concat(tar))}`, diffId)
  const details = await describeLayer(repository, diffId as Digest)
  assert.deepEqual({ ...details, verity: '' }, { ...expected.layer_json, verity: '' })
}

/** Named refs without those whose value depends on the compressed bytes of a splitstream: layers and the config. */
function checkNames(actual: ReadonlyMap<string, ObjectId>, expected: Record<string, string>, sameBytes: boolean): void {
  assert.deepEqual([...actual.keys()].sort(), Object.keys(expected).sort())
  for (const [name, id] of actual) {
    if (sameBytes || name.startsWith('composefs.')) assert.equal(id, expected[name], name)
  }
}

async function checkImage(
  repository: Repository,
  name: string,
  vector: ImageVector,
  expected: AlgorithmVector,
  erofs: ErofsVector,
) {
  for (const [diffId, layer] of Object.entries(expected.layers))
    await checkLayer(repository, diffId, layer, vector.is_container_image)
  // libzstd 1.5.2 to 1.5.7 give equal bytes only for sections below 128 KiB (repository.md §3.8).
  const sameBytes = Object.entries(expected.layers).every(
    ([diffId, layer]) => repository.streams.objectOf(`oci-layer-${diffId}`) === layer.stream,
  )
  const config = repository.openStream(`oci-config-${vector.config_digest}`, 'ociconfg')
  checkNames(config.namedRefs, erofs.config_named_refs, sameBytes)
  if (sameBytes) assert.deepEqual(config.streamRefs, erofs.config_stream_refs)
  if (sameBytes) assert.equal(config.id, erofs.config_stream)
  assert.deepEqual([...config.objectRefs], erofs.config_object_refs)
  config.close()
  const manifest = repository.openStream(`oci-manifest-${vector.manifest_digest}`, 'ocimanif')
  checkNames(manifest.namedRefs, erofs.manifest_named_refs, sameBytes)
  assert.deepEqual([...manifest.objectRefs], erofs.manifest_object_refs)
  manifest.close()
  if (!vector.is_container_image) return
  assert.equal(storedImageId(repository, 't'), erofs.composefs_erofs)
  assert.equal(await imageId(repository, 't', treeOptions), erofs.compute_id)
  assert.equal(
    await imageId(repository, 't', { ...treeOptions, xattrs: 'keep-user-xattrs' }),
    erofs.compute_id_keep_user,
  )
  // An object that is given with a tag: the reference takes any.
  const verity = repository.streams.objectOf(`oci-manifest-${vector.manifest_digest}`) ?? assert.fail()
  assert.equal(await imageId(repository, 't', { ...treeOptions, verity, parity: true }), erofs.compute_id)
  await assert.rejects(imageId(repository, 't', { ...treeOptions, verity, parity: false }), {
    code: 'SLUICE_DIGEST_MISMATCH',
  })
  if (erofs.compute_id_format0 !== undefined) {
    using asV0 = await Repository.open(repository.path, { insecure: true, erofsVersion: 0 })
    assert.equal(await imageId(asV0, 't', treeOptions), erofs.compute_id_format0)
  }
  for (const [file, xattrs] of [
    ['dump', 'allowlist-only'],
    ['dump-keep-user', 'keep-user-xattrs'],
  ] as const) {
    const lines: string[] = []
    for await (const line of dumpImage(repository, 't', { ...treeOptions, xattrs })) lines.push(`${line}\n`)
    const text = readVector('oci', 'images', name, `${file}.${repository.algorithm}.txt`).toString('latin1')
    assert.equal(lines.join(''), text)
  }
}

const cases = hasVector('oci', 'images')
  ? readdirSync(vectorPath('oci', 'images')).filter((name) => hasVector('oci', 'images', name, 'expected.json'))
  : []

test('there are image vectors', () => assert.ok(cases.length > 0))

for (const name of cases) {
  test(`pull of ${name}`, async (t) => {
    const vector = readJsonVector<ImageVector>('oci', 'images', name, 'expected.json')
    const verdict = vector.verdict[REFERENCE]
    const layout = unpack(t, name)
    for (const algorithm of ['sha256', 'sha512'] as const satisfies HashAlgorithm[]) {
      for (const erofsVersion of [1, 2] as const satisfies ErofsVersion[]) {
        const repository = await temporaryRepository(t, { algorithm, erofsVersion })
        if (verdict.pull === 'error') {
          await assert.rejects(pull(repository, layout), { name: 'SluiceError' })
          continue
        }
        const result = await pull(repository, layout)
        assert.deepEqual(streamNames(repository), verdict.streams_after)
        assert.equal(result.manifestDigest, vector.manifest_digest)
        assert.equal(result.configDigest, vector.config_digest)
        assert.equal(result.isContainer, vector.is_container_image)
        const expected = vector[algorithm]!
        await checkImage(repository, name, vector, expected, erofsVersion === 1 ? expected.erofs_v1 : expected.erofs_v2)

        const again = await pull(repository, layout)
        assert.equal(again.layers.fetched, 0)
        assert.deepEqual(again.images, result.images)
      }
    }
  })
}

test('a delta is refused, not stored as an artifact under the tag of the image', async (t) => {
  const layout = unpack(t, 'basic')
  const read = (name: string) => JSON.parse(readFileSync(join(layout, name), 'utf8'))
  const { manifests, ...index } = read('index.json')
  const manifest = read(`blobs/sha256/${manifests[0].digest.slice('sha256:'.length)}`)
  const delta = { ...manifest, artifactType: 'application/vnd.io.github.containers.oci-delta.v1' }
  const bytes = Buffer.from(JSON.stringify(delta))
  writeFileSync(join(layout, 'blobs/sha256', sha256(bytes)), bytes)
  const entry = { ...manifests[0], digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ ...index, manifests: [entry] }))
  const repository = await temporaryRepository(t)
  await assert.rejects(
    pull(repository, layout),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_UNSUPPORTED' && /is a delta/.test(error.message),
  )
  assert.deepEqual(streamNames(repository), [])
})
