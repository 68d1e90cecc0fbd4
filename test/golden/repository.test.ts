/** meta.json, tags and the lay-out of a repository, as the reference has them. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { parseDigest } from '../../src/formats/digest.js'
import { decodeRefName, encodeRefName } from '../../src/formats/ref-file-name.js'
import { initRepository } from '../../src/repository/init.js'
import { effectiveErofsFormats, formatMetadata, newMetadata, parseMetadata } from '../../src/repository/metadata.js'
import { Repository } from '../../src/repository/repository.js'
import { registerImage } from '../../src/stages/splitstream/image-documents.js'
import { encodeDocumentStream } from '../../src/stages/splitstream/document.js'
import { tagImage } from '../../src/pipelines/oci-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

interface MetadataVector {
  name: string
  meta_json: string
  open_ok: boolean
  effective_default_erofs_version: number | null
}

test('meta.json is accepted and understood as by the reference', async (t) => {
  const vectors = readJsonVector<MetadataVector[]>('repository', 'metajson.json')
  assert.ok(vectors.length > 20)
  for (const { name, meta_json: text, open_ok: ok, effective_default_erofs_version: version } of vectors) {
    const path = temporaryDirectory(t)
    writeFileSync(join(path, 'meta.json'), text)
    if (!ok) {
      await assert.rejects(Repository.open(path, { insecure: true }), SluiceError, name)
      continue
    }
    using repository = await Repository.open(path, { insecure: true })
    assert.equal(repository.erofsFormats.default, version, name)
  }
})

test('numbers with a fraction, text behind the document and deep duplicates are refused', () => {
  const good = formatMetadata(newMetadata('sha512', 1))
  for (const bad of [
    good.replace('"version": 1', '"version": 1.0'),
    good.replace('"version": 1', '"version": 1e0'),
    good.replace('"version": 1', '"version": -1'),
    good.replace('"version": 1', '"version": 4294967296'),
    good.replace('"default": 1', '"default": 1, "default": 1'),
    good.replace('"compatible": []', '"compatible": null'),
    good.replace('"compatible": []', '"compatible": [1]'),
    good.replace('"compatible": []', '"compatible": ["\\ud800"]'),
    good.replace('"version": 1', '"version": 1, "\\ud800": 1'),
    good.replace('"erofs_formats": {', '"erofs_formats": [{').replace('  }\n}', '  }]\n}'),
    good.replace('"version": 1', '"version": -0'),
    good.replace('"default": 1', '"default": -0'),
    good.replace('"default": 1', '"default": 1, "extra": null'),
    good.replace(/"erofs_formats": [^}]*}/, '"erofs_formats": null'),
    // The white space is what the search for a colon must not end in.
    good.replace('"features"', `"features": {"incompatible": ["x"]}, "features"${' '.repeat(65)}`),
    `${good}{}`,
    `\ufeff${good}`,
  ]) {
    assert.throws(() => parseMetadata(Buffer.from(bad)), { code: 'SLUICE_FORMAT' }, bad)
  }
  const noUtf8 = Buffer.from(good.replace('"compatible": []', '"compatible": ["\xff"]'), 'latin1')
  assert.throws(() => parseMetadata(noUtf8), { code: 'SLUICE_FORMAT' })
  const withUnknown = good.replace('"version": 1', '"version": 1, "later": {"a": 1.5, "text": "\\"a\\": 1"}')
  assert.equal(parseMetadata(Buffer.from(withUnknown)).version, 1)
})

test('an EROFS version that is repeated is the one that is meant, whatever the flag says', () => {
  const textOf = (formats: string) => formatMetadata(newMetadata('sha512', 1)).replace('"default": 1', formats)
  const effective = (formats: string) => effectiveErofsFormats(parseMetadata(Buffer.from(textOf(formats))))
  assert.deepEqual(effective('"default": 2'), { default: 1, extra: [] })
  assert.deepEqual(effective('"default": 2, "extra": [2]'), { default: 2, extra: [] })
  assert.deepEqual(effective('"default": 1, "extra": [2, 1, 2]'), { default: 1, extra: [2] })
})

test('init writes the bytes of the reference', async (t) => {
  const text =
    '{\n  "version": 1,\n  "algorithm": "fsverity-sha512-12",\n  "features": {\n    "compatible": [],\n' +
    '    "read-only-compatible": [\n      "v1_erofs"\n    ],\n    "incompatible": []\n  },\n' +
    '  "erofs_formats": {\n    "default": 1\n  }\n}\n'
  assert.equal(Buffer.byteLength(text), 219)
  const path = join(temporaryDirectory(t), 'a', 'b')
  assert.equal(await initRepository(path, { algorithm: 'sha512', erofsVersion: 1, insecure: true }), 'created')
  assert.equal(readFileSync(join(path, 'meta.json'), 'utf8'), text)
  assert.equal(await initRepository(path, { algorithm: 'sha512', erofsVersion: 1, insecure: true }), 'exists')
  await assert.rejects(initRepository(path, { algorithm: 'sha512', erofsVersion: 2, insecure: true }), {
    code: 'SLUICE_REPOSITORY',
  })
  const ensure = { insecure: true, ensure: true, erofsVersion: 2 } as const
  assert.equal(await initRepository(path, { ...ensure, algorithm: 'sha512' }), 'exists')
  await assert.rejects(initRepository(path, { ...ensure, algorithm: 'sha256' }), { code: 'SLUICE_REPOSITORY' })
})

test('what no repository can have is refused before anything is made or thrown away', async (t) => {
  const path = temporaryDirectory(t)
  await initRepository(path, { algorithm: 'sha512', erofsVersion: 1, insecure: true })
  const before = readFileSync(join(path, 'meta.json'), 'utf8')
  // As a program without types may say it.
  for (const wrong of [
    { algorithm: 'fsverity-sha512-12' },
    { algorithm: 'toString' },
    { erofsVersion: 3 },
  ] as object[]) {
    const options = { algorithm: 'sha512', erofsVersion: 1, insecure: true, ...wrong } as const
    await assert.rejects(initRepository(path, { ...options, resetMetadata: true }), { code: 'SLUICE_USAGE' })
    await assert.rejects(initRepository(join(path, 'new'), options), { code: 'SLUICE_USAGE' })
    await assert.rejects(Repository.open(path, wrong), SluiceError)
  }
  assert.deepEqual(readdirSync(path), ['meta.json'])
  assert.equal(readFileSync(join(path, 'meta.json'), 'utf8'), before)
})

test('metadata without EROFS formats says the same as with V2 alone', async (t) => {
  const path = temporaryDirectory(t)
  writeFileSync(join(path, 'meta.json'), '{"version":1,"algorithm":"fsverity-sha512-12"}')
  const options = { algorithm: 'sha512', insecure: true } as const
  assert.equal(await initRepository(path, { ...options, erofsVersion: 2 }), 'exists')
  await assert.rejects(initRepository(path, { ...options, erofsVersion: 1 }), { code: 'SLUICE_REPOSITORY' })
})

test('an old repository of another algorithm than the one that is wanted gets no metadata', async (t) => {
  for (const [length, other] of [
    [62, 'sha512'],
    [126, 'sha256'],
  ] as const) {
    const path = temporaryDirectory(t)
    // A link to a directory of objects counts, too.
    mkdirSync(join(path, 'elsewhere'))
    mkdirSync(join(path, 'objects'))
    symlinkSync('../elsewhere', join(path, 'objects', 'aa'))
    writeFileSync(join(path, 'elsewhere', 'a'.repeat(length)), '')
    const refused = { code: 'SLUICE_REPOSITORY', message: /uses sha(256|512), not sha/ }
    const wanted = { algorithm: other, insecure: true }
    await assert.rejects(Repository.open(path, wanted), refused)
    await assert.rejects(initRepository(path, { ...wanted, erofsVersion: 1, ensure: true }), refused)
    assert.deepEqual(readdirSync(path), ['elsewhere', 'objects'])
    using repository = await Repository.open(path, { insecure: true })
    assert.notEqual(repository.algorithm, other)
  }
})

test('a repository of an old version is upgraded by the length of its object names', async (t) => {
  for (const [algorithm, length] of [
    ['sha256', 62],
    ['sha512', 126],
  ] as const) {
    const path = temporaryDirectory(t)
    mkdirSync(join(path, 'objects/ab'), { recursive: true })
    writeFileSync(join(path, 'objects/ab', 'c'.repeat(length)), '')
    writeFileSync(join(path, 'objects/aa'), '')
    symlinkSync('nowhere', join(path, 'objects/a0'))
    await assert.rejects(Repository.open(path, { upgrade: false }), { code: 'SLUICE_REPOSITORY' })
    using repository = await Repository.open(path)
    assert.equal(repository.algorithm, algorithm)
    assert.equal(repository.secure, false)
    assert.deepEqual(effectiveErofsFormats(repository.metadata), { default: 1, extra: [] })
    assert.equal(readFileSync(join(path, 'meta.json'), 'utf8'), formatMetadata(newMetadata(algorithm, 1)))
  }
  const empty = temporaryDirectory(t)
  mkdirSync(join(empty, 'objects'))
  await assert.rejects(Repository.open(empty), { code: 'SLUICE_REPOSITORY' })
  await assert.rejects(Repository.open(temporaryDirectory(t)), { code: 'SLUICE_REPOSITORY' })
  symlinkSync('aa', join(empty, 'objects/aa'))
  await assert.rejects(Repository.open(empty), { code: 'SLUICE_IO', message: /cannot list .*objects\/aa: ELOOP/ })
})

test('reset keeps the objects only', async (t) => {
  const repository = await temporaryRepository(t)
  const { id } = repository.objects.store(Buffer.from('content'))
  repository.streams.link('some-stream', id)
  repository.images.link(id, id)
  repository.close()
  const options = { algorithm: 'sha256', erofsVersion: 2, insecure: true, resetMetadata: true } as const
  assert.equal(await initRepository(repository.path, options), 'created')
  using reopened = await Repository.open(repository.path)
  assert.equal(reopened.erofsFormats.default, 2)
  assert.deepEqual([reopened.streams.entries(), reopened.images.entries()], [[], []])
  assert.ok(reopened.objects.has(id))
})

test('tags have the file names and targets of the reference', async (t) => {
  interface TagVector {
    tag: string
    file_name: string
    symlink_target: string
  }
  const vectors = readJsonVector<TagVector[]>('repository', 'tags.json')
  const repository = await temporaryRepository(t)
  const digest = parseDigest(vectors[0].symlink_target.replace('../../oci-manifest-', ''))
  // A stream of that name with any content: tags are about names.
  const stream = await encodeDocumentStream('sha256', {
    contentType: 'ocimanif',
    document: Buffer.from('{}'),
    namedRefs: [],
  })
  repository.streams.link(`oci-manifest-${digest}`, repository.objects.store(stream).id)
  for (const { tag, file_name: file, symlink_target: target } of vectors) {
    assert.equal(encodeRefName(tag), file)
    assert.equal(decodeRefName(file), tag)
    repository.streams.linkRef(`oci/${encodeRefName(tag)}`, `oci-manifest-${digest}`)
    assert.equal(readlinkSync(join(repository.path, 'streams/refs/oci', file)), target)
  }
  await assert.rejects(tagImage(repository, digest, 'x'), { code: 'SLUICE_CORRUPT' }, 'its document is missing')
  const unknown = parseDigest(`sha256:${'0'.repeat(64)}`)
  await assert.rejects(tagImage(repository, unknown, 'x'), { code: 'SLUICE_NOT_FOUND' })
  for (const bad of ['', '.', '..', '@x']) {
    await assert.rejects(tagImage(repository, digest, bad), { code: 'SLUICE_USAGE' }, bad)
  }
})

test('links are relative, replaced atomically, and leave no temporary behind', async (t) => {
  const repository = await temporaryRepository(t)
  const [a, b] = ['a', 'b'].map((text) => repository.objects.store(Buffer.from(text)).id)
  repository.images.link(a, a)
  repository.images.link(b, b)
  assert.equal(readlinkSync(repository.images.path(a)), `../objects/${a.slice(0, 2)}/${a.slice(2)}`)
  repository.images.linkRef('plain', a)
  repository.images.linkRef('sys/root', a)
  assert.equal(readlinkSync(repository.images.path('refs/plain')), `../${a}`)
  assert.equal(readlinkSync(repository.images.path('refs/sys/root')), `../../${a}`)
  repository.images.linkRef('sys/root', b)
  assert.equal(repository.images.refEntry('sys/root'), b)
  assert.equal(repository.findImage('plain'), a)
  assert.equal(repository.findImage('refs/sys/root'), b)
  assert.throws(() => repository.findImage('sys/root'), { code: 'SLUICE_NOT_FOUND' })
  for (const bad of ['', '..', 'refs/../x', '/etc', 'a//b', 'a\0b', 'x'.repeat(256)]) {
    assert.throws(() => repository.findImage(bad), { code: 'SLUICE_USAGE' }, JSON.stringify(bad))
  }
  symlinkSync('nowhere', repository.images.path('dangling'))
  assert.throws(() => repository.findImage('dangling'), { code: 'SLUICE_CORRUPT' })
})

test('documents are stored once, under the names of their digests', async (t) => {
  const repository = await temporaryRepository(t)
  const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
  const document = { digest, bytes: Buffer.from('{"a":1}'), stored: undefined }
  const image = { config: document, manifest: document, layers: [], images: [] }
  const { encodeImageDocuments } = await import('../../src/stages/splitstream/image-documents.js')
  await registerImage(repository, image, await encodeImageDocuments(repository, image))
  assert.deepEqual(
    repository.streams.entries().map(({ name }) => name),
    [`oci-config-${digest}`, `oci-manifest-${digest}`],
  )
})
