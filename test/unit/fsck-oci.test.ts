import assert from 'node:assert/strict'
import { readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { test } from 'node:test'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { checkOciRepository } from '../../src/pipelines/fsck.js'
import { streamName } from '../../src/repository/names.js'
import type { Repository } from '../../src/repository/repository.js'
import { sha256, storeDocument, type NamedRefs } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

// Every case was shown to the reference too (cfsctl 0.9.4 `oci fsck --json`): kinds, names and counters are its own.

interface Layer {
  readonly id: Digest
  readonly stream: ObjectId
}

/** What may be wrong with an image; each part gets what a sound image would have. */
interface Damage {
  readonly mediaType?: string
  readonly config?: (config: object) => string
  readonly configDigest?: Digest
  readonly configType?: string
  readonly configRefs?: (layers: NamedRefs) => NamedRefs
  readonly manifest?: (text: string) => string
  readonly manifestDigest?: Digest
  readonly manifestType?: string
  readonly manifestRefs?: (refs: NamedRefs) => NamedRefs
  readonly labels?: object
  readonly unlinked?: 'config' | 'layers'
}

const oci = 'application/vnd.oci.image.'
const zeros = `sha256:${'0'.repeat(64)}` as Digest
const missing = 'ab'.repeat(32) as ObjectId
const toMissing = (refs: NamedRefs): NamedRefs => refs.map(([name]) => [name, missing])
const artifact = { mediaType: 'application/vnd.oci.empty.v1+json', config: () => '{}' }

/** Stores an image of two layers with the tag `app/t`; gives its digests. */
async function storeImage(repository: Repository, damage: Damage) {
  const layers: Layer[] = []
  for (const text of ['one', 'two']) {
    const id = sha256(Buffer.from(text))
    const { stream } = await storeDocument(repository, contentType.layer, Buffer.from(text))
    if (damage.unlinked !== 'layers') repository.streams.link(streamName.layer(id), stream)
    layers.push({ id, stream })
  }
  const layerRefs = layers.map(({ id, stream }) => [id, stream] as const)
  const plainConfig = {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: damage.labels ?? {} },
    rootfs: { type: 'layers', diff_ids: layers.map(({ id }) => id) },
  }
  const config = Buffer.from((damage.config ?? JSON.stringify)(plainConfig))
  const configDigest = damage.configDigest ?? sha256(config)
  const configRefs = (damage.configRefs ?? same)(layerRefs)
  const { stream } = await storeDocument(repository, damage.configType ?? contentType.config, config, configRefs)
  if (damage.unlinked !== 'config') repository.streams.link(streamName.config(configDigest), stream)

  const plainManifest = {
    schemaVersion: 2,
    mediaType: `${oci}manifest.v1+json`,
    config: { mediaType: damage.mediaType ?? `${oci}config.v1+json`, digest: configDigest, size: config.length },
    layers: layers.map(({ id }) => ({ mediaType: `${oci}layer.v1.tar`, digest: id, size: 3 })),
  }
  const manifest = Buffer.from((damage.manifest ?? same)(JSON.stringify(plainManifest)))
  const manifestRefs = (damage.manifestRefs ?? same)([[`config:${configDigest}`, stream], ...layerRefs])
  const stored = await storeDocument(repository, damage.manifestType ?? contentType.manifest, manifest, manifestRefs)
  const name = streamName.manifest(damage.manifestDigest ?? sha256(manifest))
  repository.streams.link(name, stored.stream)
  repository.streams.linkRef('oci/app%2Ft', name)
  return { config: configDigest, manifest: sha256(manifest), layers: layers.map(({ id }) => id) }
}

const same = <T>(value: T): T => value
type Stored = Awaited<ReturnType<typeof storeImage>>

const cases: Record<string, Damage & { readonly errors?: (image: Stored) => string[] }> = {
  'an image': {},
  'an artifact': artifact,
  'a manifest under another name': {
    manifestDigest: zeros,
    errors: ({ manifest }) => [`manifest-digest-mismatch: app/t: expected ${zeros}, got ${manifest}`],
  },
  'a manifest that is no JSON': { manifest: () => '{nope', errors: () => ['manifest-parse-failed: app/t'] },
  'a manifest without layers': {
    manifest: (text) => text.replace('"layers"', '"sheets"'),
    errors: () => ['manifest-parse-failed: app/t'],
  },
  'a manifest stream of another type': {
    manifestType: contentType.config,
    errors: () => ['manifest-read-failed: app/t'],
  },
  'a config stream of another type': { configType: contentType.blob, errors: () => ['config-read-failed: app/t'] },
  'a manifest without references': {
    manifestRefs: () => [],
    errors: ({ config }) => [`config-ref-missing: app/t: ${config}`],
  },
  'a manifest that refers to its config alone': { manifestRefs: (refs) => refs.slice(0, 1) },
  'a manifest that refers to missing layers': { manifestRefs: ([first, ...refs]) => [first, ...toMissing(refs)] },
  'a missing config': { manifestRefs: toMissing, errors: () => ['config-read-failed: app/t'] },
  'a config with another digest': {
    configDigest: zeros,
    config: () => '{}',
    errors: () => [`config-digest-mismatch: app/t: expected ${zeros}, got ${sha256(Buffer.from('{}'))}`],
  },
  'a config that is no JSON': { config: () => '{nope', errors: () => ['config-parse-failed: app/t'] },
  'a config without architecture': {
    config: (config) => JSON.stringify({ ...config, architecture: undefined }),
    errors: () => ['config-parse-failed: app/t'],
  },
  'a config without references': {
    configRefs: () => [],
    errors: ({ layers }) => layers.map((id) => `layer-ref-missing: app/t: ${id}`),
  },
  'a config that refers to one layer': {
    configRefs: (refs) => refs.slice(0, 1),
    errors: ({ layers }) => [`layer-ref-missing: app/t: ${layers[1]}`],
  },
  'missing layers': {
    configRefs: toMissing,
    errors: ({ layers }) => layers.map((id) => `layer-object-missing: app/t: ${id}`),
  },
  'a config without a name': { unlinked: 'config' },
  'layers without names': {
    unlinked: 'layers',
    errors: ({ layers }) => layers.map((id) => `layer-stream-missing: app/t: ${id}`),
  },
  'missing layers without names': {
    unlinked: 'layers',
    configRefs: toMissing,
    errors: ({ layers }) =>
      layers.flatMap((id) => [`layer-stream-missing: app/t: ${id}`, `layer-object-missing: app/t: ${id}`]),
  },
  'a seal without its image': {
    labels: { 'containers.composefs.fsverity': missing },
    errors: () => [`seal-image-missing: app/t: ${missing}`],
  },
  'a seal that is no id': {
    labels: { 'containers.composefs.fsverity': '../x' },
    errors: () => ['seal-image-missing: app/t: ../x'],
  },
  'an artifact whose config is no JSON': { ...artifact, config: () => 'text' },
  'an artifact whose config refers to nothing': { ...artifact, configRefs: () => [] },
  'an artifact whose layers have no names': { ...artifact, unlinked: 'layers' },
  'an artifact whose manifest refers to its config alone': {
    ...artifact,
    manifestRefs: (refs) => refs.slice(0, 1),
    errors: ({ layers }) => layers.map((id) => `artifact-layer-ref-missing: app/t: ${id}`),
  },
  'an artifact with missing layers': {
    ...artifact,
    manifestRefs: ([first, ...refs]) => [first, ...toMissing(refs)],
    errors: ({ layers }) => layers.map((id) => `artifact-layer-object-missing: app/t: ${id}`),
  },
}

for (const [name, { errors = () => [], ...damage }] of Object.entries(cases)) {
  test(`oci fsck: ${name}`, async (t) => {
    const repository = await temporaryRepository(t)
    const expected = errors(await storeImage(repository, damage)).map((line) => `fsck: ${line}`)
    const result = await checkOciRepository(repository)
    assert.equal(result.images_checked, 1)
    assert.equal(result.images_corrupted, expected.length === 0 ? 0 : 1)
    assert.equal(result.ok, expected.length === 0 && result.repo.ok)
    // A reason may follow.
    const lines = result.errors.map((line, i) => line.slice(0, expected[i]?.length))
    assert.deepEqual(lines, expected)
  })
}

test('oci fsck: a sealed image that is there', async (t) => {
  const repository = await temporaryRepository(t)
  const { id } = repository.objects.store(Buffer.from('an image'))
  repository.images.link(id, id)
  await storeImage(repository, { labels: { 'containers.composefs.fsverity': id } })
  assert.deepEqual((await checkOciRepository(repository)).errors, [])
})

test('oci fsck: links that lead nowhere, though their texts name objects', async (t) => {
  const repository = await temporaryRepository(t)
  const { streams } = repository
  const { manifest, layers } = await storeImage(repository, {})
  const cut = (name: string) => {
    const target = readlinkSync(streams.path(name)).slice('../'.length)
    rmSync(streams.path(name))
    symlinkSync(target, streams.path(name))
  }
  for (const id of layers) cut(streamName.layer(id))
  const ofLayers = layers.map((id) => `fsck: layer-check-failed: app/t: ${id}`)
  const lines = async () =>
    (await checkOciRepository(repository)).errors.map((line, i) => line.slice(0, ofLayers[i]?.length))
  assert.deepEqual(await lines(), ofLayers)
  cut(streamName.manifest(manifest))
  const [line] = (await checkOciRepository(repository)).errors
  assert.match(line, /^fsck: manifest-read-failed: app\/t: .* leads nowhere$/)
})

async function namedErrors(repository: Repository, image?: string) {
  const result = await checkOciRepository(repository, image === undefined ? {} : { image })
  return [result.images_checked, result.images_corrupted, ...result.errors]
}

test('oci fsck: tags that are none, and tags asked for by name', async (t) => {
  const repository = await temporaryRepository(t)
  const { manifest, layers } = await storeImage(repository, {})
  const tag = (name: string, entry: string) => repository.streams.linkRef(`oci/${name}`, entry)
  tag('layer', streamName.layer(layers[0]))
  tag('garbage', 'oci-manifest-garbage')
  tag('sub/directory', streamName.manifest(manifest))
  assert.deepEqual(await namedErrors(repository), [2, 0])

  tag('@x', streamName.manifest(manifest))
  tag('ghost', streamName.manifest(zeros))
  assert.deepEqual(await namedErrors(repository), [
    4,
    2,
    'fsck: invalid-ref-name: @x: a leading @ is for digests',
    `fsck: manifest-read-failed: ghost: stream oci-manifest-${zeros} not found in ${repository.path}`,
  ])

  assert.deepEqual(await namedErrors(repository, 'app/t'), [1, 0])
  assert.deepEqual(await namedErrors(repository, '@x'), [1, 0])
  const unresolved = (name: string, reason: string) => [1, 1, `fsck: ref-resolve-failed: ${name}: ${reason}`]
  for (const name of ['nosuch', `@${manifest}`, manifest, 'sub/directory', '']) {
    assert.deepEqual(await namedErrors(repository, name), unresolved(name, `OCI reference not found: ${name}`))
  }
  const notManifest = `it does not name a manifest: ../../${streamName.layer(layers[0])}`
  assert.deepEqual(await namedErrors(repository, 'layer'), unresolved('layer', notManifest))
})
