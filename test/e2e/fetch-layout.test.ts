/** Layouts and archives: the vectors of the reference, and the rules of oci.md §1.3 on layouts made here. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compress as zstdCompress } from '@mongodb-js/zstd'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { isContainerImage } from '../../src/formats/oci/diff-ids.js'
import { imageLayers } from '../../src/formats/oci/image-layers.js'
import type { Descriptor } from '../../src/formats/oci/descriptor.js'
import { parsePlatform } from '../../src/formats/oci/platform.js'
import { decompress } from '../../src/stages/decompress/decompress.js'
import type { ImageSource } from '../../src/stages/fetch/image-source.js'
import type { ImageSourceOptions } from '../../src/stages/fetch/open.js'
import { never, openForTest, readAll } from '../helpers/registry-client.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

const sha256 = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const hostArchitecture = 'amd64'
const host = { platform: parsePlatform(`linux/${hostArchitecture}`) }

function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  }
}

function unpackVector(t: TestContext, name: string): string {
  const folder = temporaryDirectory(t)
  execFileSync('tar', ['-xf', vectorPath('oci/images', name, 'layout.tar'), '-C', folder])
  return folder
}

/** Fetches a whole image; checks every diff id. */
async function fetchAll(source: ImageSource): Promise<string[]> {
  const { manifest } = await source.manifest({ signal: never, ...host })
  const config = await source.document(manifest.config, { signal: never })
  const ids: string[] = []
  for (const { id, descriptor, treatment } of imageLayers(manifest, config)) {
    const blob = source.blob(descriptor, { signal: never })
    const unpacked = treatment.type === 'tar' ? decompress(blob, treatment.compression) : blob
    const digest = sha256(await readAll(unpacked))
    if (isContainerImage(manifest)) assert.equal(digest, id)
    ids.push(id)
  }
  return ids
}

const images = ['basic', 'index-multiarch', 'two-manifests-same-tag', 'three-layers-none-gzip-zstd', 'duplicate-diffid']
const more = ['gzip-multimember', 'zstd-multiframe-skippable', 'artifact-three-blobs', 'artifact-tar-layer']

interface Verdict {
  readonly verdict: Readonly<Record<string, { readonly pull: string; readonly streams_after: readonly string[] }>>
}

for (const name of [...images, ...more]) {
  test(`vector ${name}: the layers that the reference stores, from a directory and from an archive`, async (t) => {
    if (!hasVector('oci/images', name, 'layout.tar')) return t.skip('this vector is not in the set at hand')
    const { verdict } = readJsonVector<Verdict>('oci/images', name, 'expected.json')
    const stored = verdict['0.9.4'].streams_after
      .filter((stream) => stream.startsWith('oci-layer-'))
      .map((stream) => stream.slice('oci-layer-'.length))
    const folder = unpackVector(t, name)
    const archive = vectorPath('oci/images', name, 'layout.tar')
    for (const reference of [`oci:${folder}:latest`, `oci-archive:${archive}:latest`]) {
      const ids = await fetchAll(await openForTest(t, reference))
      assert.deepEqual([...new Set(ids)].sort(), stored)
    }
  })
}

test('vectors that the reference refuses', async (t) => {
  const wrongArchitecture = 'err-wrong-arch'
  if (!hasVector('oci/images', wrongArchitecture, 'layout.tar'))
    return t.skip('these vectors are not in the set at hand')
  const source = await openForTest(t, `oci:${unpackVector(t, wrongArchitecture)}:latest`)
  await assert.rejects(
    source.manifest({ signal: never, ...host }),
    fails('SLUICE_NOT_FOUND', /No manifest found for platform linux\/amd64; available: linux\/s390x/),
  )
  const s390x = await source.manifest({ signal: never, platform: parsePlatform('linux/s390x') })
  assert.equal(s390x.manifest.layers.length, 1)
  await assert.rejects(
    fetchAll(await openForTest(t, `oci:${unpackVector(t, 'err-docker-layer-type')}:latest`)),
    fails('SLUICE_UNSUPPORTED', /docker\.image\.rootfs\.diff\.tar/),
  )
})

/** A layout under construction. */
class Layout {
  readonly folder: string
  readonly #entries: object[] = []

  constructor(t: TestContext) {
    this.folder = temporaryDirectory(t)
    this.#write('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
  }

  blob(content: Uint8Array | string, digest = sha256(content)): { digest: string; size: number } {
    this.#write(`blobs/${digest.replace(':', '/')}`, content)
    return { digest, size: Buffer.byteLength(content) }
  }

  /** A manifest of `architecture` with one layer that holds `mark`. */
  manifest(
    architecture: string,
    mark: string,
    { kind = 'oci', extra = {} }: { kind?: 'oci' | 'docker' | 'artifact' | 'mixed'; extra?: object } = {},
  ) {
    const prefix = kind === 'docker' ? 'application/vnd.docker.' : 'application/vnd.oci.image.'
    const config = this.blob(
      JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256(mark)] } }),
    )
    const configType = {
      artifact: 'application/x',
      mixed: 'application/vnd.docker.container.image.v1+json',
      docker: 'application/vnd.docker.container.image.v1+json',
      oci: 'application/vnd.oci.image.config.v1+json',
    }[kind]
    const layerType = prefix + (kind === 'docker' ? 'image.rootfs.diff.tar' : 'layer.v1.tar')
    const mediaType = prefix + (kind === 'docker' ? 'distribution.manifest.v2+json' : 'manifest.v1+json')
    const layers = [{ mediaType: layerType, ...this.blob(mark) }]
    const document = { schemaVersion: 2, mediaType, config: { mediaType: configType, ...config }, layers, ...extra }
    return { mediaType, ...this.blob(JSON.stringify(document)) }
  }

  index(manifests: readonly object[]) {
    const mediaType = 'application/vnd.oci.image.index.v1+json'
    return { mediaType, ...this.blob(JSON.stringify({ schemaVersion: 2, mediaType, manifests })) }
  }

  /** Adds an entry to index.json. */
  add(entry: object, tag?: string, architecture?: string): this {
    this.#entries.push({
      ...entry,
      ...(tag === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } }),
      ...(architecture === undefined ? {} : { platform: { os: 'linux', architecture } }),
    })
    this.#write('index.json', JSON.stringify({ schemaVersion: 2, manifests: this.#entries }))
    return this
  }

  /** The digest of the layer that a reference leads to, or its mark if it is among `marks`. */
  async pick(t: TestContext, tag: string | undefined, options: ImageSourceOptions = {}, platform = 'linux/amd64') {
    const source = await openForTest(t, `oci:${this.folder}${tag === undefined ? '' : `:${tag}`}`, options)
    const { manifest } = await source.manifest({ signal: never, platform: parsePlatform(platform) })
    return (await readAll(source.blob(manifest.layers[0], { signal: never }))).toString()
  }

  #write(name: string, content: Uint8Array | string): void {
    const path = join(this.folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}

test('candidates in order: platform of the entry, else of the config; the first match wins', async (t) => {
  const layout = new Layout(t)
  layout
    .add(layout.manifest('s390x', 'foreign'), 'v1')
    .add(layout.manifest('amd64', 'not an image', { kind: 'artifact' }), 'v1')
    .add(layout.manifest('amd64', 'not an image either', { kind: 'mixed' }), 'v1')
    .add(layout.manifest('s390x', 'lying'), 'v2', 'amd64')
    .add(layout.manifest('amd64', 'first'), 'v1')
    .add(layout.manifest('amd64', 'second'), 'v1', 'amd64')
    .add(layout.manifest('amd64', 'empty tag'), '')
  assert.equal(await layout.pick(t, 'v1'), 'first')
  assert.equal(await layout.pick(t, 'v2'), 'lying')
  assert.equal(await layout.pick(t, ''), 'empty tag')
  assert.equal(await layout.pick(t, undefined), 'lying')
  assert.equal(await layout.pick(t, undefined, {}, 'linux/s390x'), 'foreign')
  await assert.rejects(layout.pick(t, 'v3'), fails('SLUICE_NOT_FOUND', /Tag 'v3' not found in image index/))
})

test('an index among the entries stands for its instances; an index inside it is an error', async (t) => {
  const layout = new Layout(t)
  const amd64 = {
    ...layout.manifest('amd64', 'inner'),
    platform: { os: 'linux', architecture: 'amd64', variant: 'v9' },
  }
  layout.add(layout.index([{ ...layout.manifest('arm64', 'arm') }, amd64]), 'index')
  layout.add(layout.index([layout.index([amd64]), amd64]), 'nested')
  assert.equal(await layout.pick(t, 'index'), 'inner')
  assert.equal(await layout.pick(t, 'index', {}, 'linux/arm64'), 'arm')
  await assert.rejects(layout.pick(t, 'nested'), fails('SLUICE_FORMAT', /index inside an image index/))
})

test('a wanted variant chooses among all candidates', async (t) => {
  const layout = new Layout(t)
  const arm = (variant: string) => ({
    ...layout.manifest('arm', variant),
    platform: { os: 'linux', architecture: 'arm', variant },
  })
  layout.add(layout.index([arm('v5'), arm('v7'), arm('v6')]), 't')
  assert.equal(await layout.pick(t, 't', {}, 'linux/arm'), 'v5')
  assert.equal(await layout.pick(t, 't', {}, 'linux/arm/v8'), 'v7')
  assert.equal(await layout.pick(t, 't', {}, 'linux/arm/v6'), 'v6')
})

test('other media types are a hard error; Docker manifests only with parity', async (t) => {
  const layout = new Layout(t)
  const good = layout.manifest('amd64', 'good')
  layout.add({ ...good, mediaType: 'application/json' }, 'odd').add(good, 'odd')
  layout.add(layout.manifest('amd64', 'docker', { kind: 'docker' }), 'docker').add(good, 'docker')
  await assert.rejects(layout.pick(t, 'odd'), fails('SLUICE_UNSUPPORTED', /application\/json/))
  assert.equal(await layout.pick(t, 'docker'), 'docker')
  await assert.rejects(layout.pick(t, 'docker', { parity: true }), fails('SLUICE_UNSUPPORTED', /docker\.distribution/))
  const source = await openForTest(t, `oci:${layout.folder}:docker`)
  const { manifest, digest, convertedFrom } = await source.manifest({ signal: never, ...host })
  assert.equal(manifest.config.mediaType, 'application/vnd.oci.image.config.v1+json')
  assert.notEqual(digest, convertedFrom)
})

test('a layout with nothing but a delta gives it whatever tag and platform', async (t) => {
  const layout = new Layout(t)
  const extra = { artifactType: 'application/vnd.io.github.containers.oci-delta.v1' }
  layout.add(layout.manifest('s390x', 'delta', { kind: 'artifact', extra }), 'v1', 's390x')
  assert.equal(await layout.pick(t, 'other'), 'delta')
})

test('damage: sizes, digests, missing and absent files', async (t) => {
  const layout = new Layout(t)
  const manifest = layout.manifest('amd64', 'content')
  layout.add(manifest, 't')
  const source = await openForTest(t, `oci:${layout.folder}:t`)
  const { manifest: parsed } = await source.manifest({ signal: never, ...host })
  const [layer] = parsed.layers as [Descriptor]
  layout.blob('CONTENT', layer.digest)
  const read = () => readAll(source.blob(layer, { signal: never }))
  await assert.rejects(read(), fails('SLUICE_DIGEST_MISMATCH', new RegExp(`oci:.*${layer.digest}`)))
  layout.blob('content and more', layer.digest)
  await assert.rejects(read(), fails('SLUICE_SIZE_MISMATCH', /Expected size 7 but found 16/))
  const gone = { ...layer, digest: sha256('gone') as typeof layer.digest }
  await assert.rejects(readAll(source.blob(gone, { signal: never })), fails('SLUICE_NOT_FOUND', /no blobs\/sha256/))
  await assert.rejects(
    source.document({ ...layer, size: 5_000_000 }, { signal: never }),
    fails('SLUICE_FORMAT', /more than the limit/),
  )
  await assert.rejects(
    openForTest(t, `oci:${layout.folder}/none`).then((s) => s.manifest({ signal: never })),
    fails('SLUICE_NOT_FOUND', /index\.json/),
  )
  layout.blob(JSON.stringify({ schemaVersion: 2 }).padEnd(manifest.size), manifest.digest)
  await assert.rejects(
    source.manifest({ signal: never, ...host }),
    fails('SLUICE_DIGEST_MISMATCH', new RegExp(manifest.digest)),
  )
})

test('sha512 digests are verified too, but not with parity; unknown ones are refused', async (t) => {
  const layout = new Layout(t)
  layout.add(layout.manifest('amd64', 'x'), 't')
  const digest = `sha512:${createHash('sha512').update('long').digest('hex')}`
  layout.blob('long', digest)
  const descriptor = { mediaType: 'x/y', digest, size: 4 } as Descriptor
  const open = (options?: ImageSourceOptions) => openForTest(t, `oci:${layout.folder}:t`, options)
  assert.equal((await (await open()).document(descriptor, { signal: never })).toString(), 'long')
  await assert.rejects(
    (await open({ parity: true })).document(descriptor, { signal: never }),
    fails('SLUICE_UNSUPPORTED', /not sha256/),
  )
  layout.blob('lonG', digest)
  await assert.rejects(
    (await open()).document(descriptor, { signal: never }),
    fails('SLUICE_DIGEST_MISMATCH', /sha512/),
  )
  const blake = { ...descriptor, digest: 'blake3:abc' as Descriptor['digest'] }
  await assert.rejects((await open()).document(blake, { signal: never }), fails('SLUICE_UNSUPPORTED', /blake3/))
})

test('policy.json applies to layouts by their path', async (t) => {
  const layout = new Layout(t)
  layout.add(layout.manifest('amd64', 'x'), 't')
  const policyFile = join(layout.folder, 'policy.json')
  const policy = {
    default: [{ type: 'reject' }],
    transports: { oci: { [layout.folder]: [{ type: 'insecureAcceptAnything' }] } },
  }
  writeFileSync(policyFile, JSON.stringify(policy))
  assert.equal(await layout.pick(t, 't', { policyFile }), 'x')
  writeFileSync(policyFile, JSON.stringify({ ...policy, transports: {} }))
  await assert.rejects(layout.pick(t, 't', { policyFile }), fails('SLUICE_POLICY', /rejects/))
})

test('archives: compressed ones, other compressions, cut and foreign files', async (t) => {
  const layout = new Layout(t)
  layout.add(layout.manifest('amd64', 'archived'), 't')
  const out = temporaryDirectory(t)
  const path = (name: string): string => join(out, name)
  execFileSync('tar', ['-cf', path('plain.tar'), '-C', layout.folder, '.'])
  const plain = readFileSync(path('plain.tar'))
  writeFileSync(path('packed.tar.gz'), gzipSync(plain))
  writeFileSync(path('packed.tar.zst'), await zstdCompress(plain, 3))
  execFileSync('tar', ['--format=v7', '-cf', path('old.tar'), '-C', layout.folder, '.'])
  writeFileSync(path('signed.tar'), Buffer.concat([plain, Buffer.from('a signature, or whatever'.repeat(50))]))
  const other = new Layout(t)
  other.add(other.manifest('amd64', 'behind the end'), 't')
  execFileSync('tar', ['-cf', path('other.tar'), '-C', other.folder, '.'])
  writeFileSync(path('two.tar'), Buffer.concat([plain, readFileSync(path('other.tar')), Buffer.alloc(3_000_000)]))
  writeFileSync(path('cut.tar'), plain.subarray(0, 5000))
  writeFileSync(path('cut.tar.gz'), gzipSync(plain).subarray(0, 300))
  writeFileSync(path('packed.tar.xz'), Buffer.from('fd377a585a0000', 'hex'))
  writeFileSync(path('text'), 'x'.repeat(2000))
  const read = async (name: string) => {
    const source = await openForTest(t, `oci-archive:${path(name)}:t`)
    const { manifest } = await source.manifest({ signal: never, ...host })
    return (await readAll(source.blob(manifest.layers[0], { signal: never }))).toString()
  }
  const temporary = temporaryDirectory(t)
  const usual = tmpdir()
  t.after(() => (process.env['TMPDIR'] = usual))
  process.env['TMPDIR'] = temporary
  for (const name of ['plain.tar', 'packed.tar.gz', 'packed.tar.zst', 'old.tar', 'signed.tar', 'two.tar'])
    assert.equal(await read(name), 'archived')
  await assert.rejects(read('cut.tar'), fails('SLUICE_FORMAT', /not a tar archive: Unexpected end/))
  await assert.rejects(read('cut.tar.gz'), fails('SLUICE_COMPRESSION', /cannot unpack .*cut\.tar\.gz.*cut short/))
  await assert.rejects(read('packed.tar.xz'), fails('SLUICE_UNSUPPORTED', /compressed with xz/))
  await assert.rejects(read('text'), fails('SLUICE_FORMAT', /not a tar archive/))
  await assert.rejects(read('none.tar'), fails('SLUICE_NOT_FOUND', /none\.tar/))
  assert.deepEqual(readdirSync(temporary), [])
  process.env['TMPDIR'] = join(temporary, 'absent')
  await assert.rejects(read('packed.tar.gz'), (error) => {
    assert.match((error as SluiceError).hint ?? '', /TMPDIR/)
    return fails('SLUICE_NOT_FOUND', /packed\.tar\.gz: cannot make a temporary file: .*absent/)(error)
  })
})

test('cancellation', async (t) => {
  const layout = new Layout(t)
  layout.add(layout.manifest('amd64', 'x'), 't')
  const source = await openForTest(t, `oci:${layout.folder}:t`)
  await assert.rejects(source.manifest({ signal: AbortSignal.abort() }), fails('SLUICE_CANCELLED', /cancelled/))
  const archive = join(layout.folder, 'a.tar')
  execFileSync('tar', ['-cf', archive, '-C', layout.folder, 'index.json'])
  await assert.rejects(
    openForTest(t, `oci-archive:${archive}`, { signal: AbortSignal.abort() }),
    fails('SLUICE_CANCELLED', /cancelled/),
  )
})
