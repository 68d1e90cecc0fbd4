import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { parseConfig } from '../../src/formats/oci/config.js'
import { layerIds } from '../../src/formats/oci/diff-ids.js'
import { convertDockerManifest } from '../../src/formats/oci/docker-schema2.js'
import { imageLayers } from '../../src/formats/oci/image-layers.js'
import { documentMediaType, parseIndex, parseManifest } from '../../src/formats/oci/manifest.js'
import { layerTreatment } from '../../src/formats/oci/media-types.js'
import { decodeRefName, encodeRefName } from '../../src/formats/ref-file-name.js'
import { checkTag } from '../../src/formats/oci/tag-name.js'

const digest = `sha256:${'01'.repeat(32)}`
const other = `sha256:${'02'.repeat(32)}`
const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: other, size: 9 }

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.match(error.message, message)
    return error.code === code
  }
}

test('a manifest: what is required, what is kept, what is ignored', () => {
  const manifest = parseManifest(
    bytes({
      schemaVersion: 2,
      unknown: { x: [1] },
      config: { ...descriptor, data: 'e30=', x: 1 },
      layers: [layer],
      subject: null,
    }),
    'manifest m',
  )
  assert.deepEqual(manifest.config, { ...descriptor, data: 'e30=' })
  assert.deepEqual(manifest.layers, [layer])
  assert.equal(manifest.mediaType, undefined)
  assert.equal(manifest.subject, undefined)
  const table: [unknown, RegExp][] = [
    [[], /m: the document is not an object/],
    [{ schemaVersion: 2, layers: [] }, /missing field config/],
    [{ schemaVersion: 2, config: descriptor }, /missing field layers/],
    [{ config: descriptor, layers: [] }, /missing field schemaVersion/],
    [{ schemaVersion: 3, config: descriptor, layers: [] }, /schemaVersion is 3/],
    [{ schemaVersion: 2, config: descriptor, layers: {} }, /layers is not an array/],
    [{ schemaVersion: 2, config: descriptor, layers: [layer, null] }, /layers\[1\] is not an object/],
    [
      { schemaVersion: 2, config: descriptor, layers: [{ ...layer, size: -1 }] },
      /layers\[0\]\.size is not a whole number/,
    ],
    [{ schemaVersion: 2, config: descriptor, layers: [{ ...layer, size: 2 ** 60 }] }, /layers\[0\]\.size/],
    [
      { schemaVersion: 2, config: { ...descriptor, digest: 'sha256:zz' }, layers: [] },
      /config\.digest is not a digest/,
    ],
    [
      { schemaVersion: 2, config: descriptor, layers: [{ ...layer, urls: [1] }] },
      /layers\[0\]\.urls\[0\] is not a string/,
    ],
    [
      { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', config: descriptor, layers: [] },
      /not that of a manifest/,
    ],
  ]
  for (const [value, message] of table)
    assert.throws(() => parseManifest(bytes(value), 'm'), fails('SLUICE_FORMAT', message))
  assert.throws(
    () => parseManifest(bytes({ schemaVersion: 1, fsLayers: [] }), 'm'),
    fails('SLUICE_UNSUPPORTED', /schema 1/),
  )
})

test('half of a surrogate pair is no text, in keys and values that are read', () => {
  const half = '\ud800'
  const config = (more: object) =>
    bytes({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, ...more })
  const table: [object, RegExp | undefined][] = [
    [{ author: half }, /author is not Unicode/],
    [{ config: { Env: ['A=b', half] } }, /config\.Env\[1\] is not Unicode/],
    [{ config: { Labels: { a: half } } }, /config\.Labels\.a is not Unicode/],
    [{ config: { Labels: { [half]: 'a' } } }, /config\.Labels has a key that is not Unicode/],
    [{ [half]: 1 }, /the document has a key that is not Unicode/],
    [{ author: '\ud83d\ude00' }, undefined],
    [{ unknown: half }, undefined],
  ]
  for (const [more, message] of table) {
    if (message === undefined) parseConfig(config(more))
    else assert.throws(() => parseConfig(config(more)), fails('SLUICE_FORMAT', message))
  }
})

test('a size with a fraction or an exponent is none, whatever its value', () => {
  const manifest = (size: string, more = '') => {
    const layers = `[${JSON.stringify({ ...layer, size: 1 }).replace('"size":1', `"size":${size}`)}]`
    return Buffer.from(`{"schemaVersion":2,"config":${JSON.stringify(descriptor)},"layers":${layers}${more}}`)
  }
  for (const size of ['5.0', '5e0', '0.5e1', '50E-1', '5.00000000000000000001', '-0', '0.0']) {
    assert.throws(
      () => parseManifest(manifest(size), 'm'),
      fails('SLUICE_FORMAT', /^m: layers\[0\]\.size is not a whole number/),
      size,
    )
  }
  assert.throws(
    () => parseManifest(Buffer.from(manifest('5').toString().replace(':2,', ':2.0,')), 'm'),
    fails('SLUICE_FORMAT', /schemaVersion is not a whole number/),
  )
  // What nothing reads may be any number, and text that looks like one stays.
  const { layers, annotations } = parseManifest(
    manifest('5', ',"x":[1.0,-2e3],"annotations":{"\\"1.0":"2.0 \\\\"}'),
    'm',
  )
  assert.equal(layers[0].size, 5)
  assert.deepEqual([...annotations], [['"1.0', '2.0 \\']])
})

test('a key that is there twice is refused, at any depth and in any spelling', () => {
  const manifest = (more: string) =>
    Buffer.from(`{"schemaVersion":2,"config":${JSON.stringify(descriptor)},"layers":[]${more}}`)
  assert.equal(
    parseManifest(manifest(',"annotations":{"a,{\\"a":"a","b":"a"},"x":[{"a":1},{"a":1}]'), 'm').layers.length,
    0,
  )
  for (const [more, key] of [
    [',"layers":[]', 'layers'],
    [',"l\\u0061yers":[]', 'layers'],
    [',"x":{"y":[[],{"z":{"a":[1,2]},"a":"b","a":"c"}]}', 'a'],
  ]) {
    assert.throws(
      () => parseManifest(manifest(more), 'm'),
      fails('SLUICE_FORMAT', new RegExp(`"${key}" is there twice`)),
    )
  }
})

test('documents that are no JSON, too large, or HTML', () => {
  assert.throws(() => parseManifest(Buffer.from('{'), 'm'), fails('SLUICE_FORMAT', /not a JSON document/))
  assert.throws(() => parseManifest(Buffer.from([0x22, 0xff, 0x22]), 'm'), fails('SLUICE_FORMAT', /not a JSON/))
  const pages = [
    '\n<!DOCTYPE html>',
    '\ufeff<html>',
    '<!-- a --> <!-- b -->\n<HTML lang="x">',
    '<?xml?><!doctype html>',
  ]
  for (const page of pages) {
    assert.throws(() => parseManifest(Buffer.from(page), 'm'), fails('SLUICE_FORMAT', /HTML page/), page)
  }
  // What blob stores answer.
  for (const other of ['<?xml version="1.0"?><Error>expired</Error>', '<!-- <html> -->', '<!---->'.repeat(200)]) {
    assert.throws(() => parseManifest(Buffer.from(other), 'm'), fails('SLUICE_FORMAT', /not a JSON document$/), other)
  }
  assert.throws(
    () => parseManifest(Buffer.alloc(4 * 1024 * 1024 + 1, ' '), 'm'),
    fails('SLUICE_FORMAT', /4194305 bytes/),
  )
  // Nesting deeper than any stack.
  assert.throws(() => parseManifest(Buffer.alloc(1_000_000, '['), 'm'), fails('SLUICE_FORMAT', /not a JSON/))
})

test('an index keeps platforms', () => {
  const entry = { ...layer, platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': 'x' } }
  const { manifests } = parseIndex(bytes({ schemaVersion: 2, manifests: [entry, layer] }), 'i')
  assert.deepEqual(manifests[0].platform, { os: 'linux', architecture: 'arm', variant: 'v7' })
  assert.equal(manifests[1].platform, undefined)
})

test('an index is refused where a field that has no use is of another type, as by cfsctl', () => {
  const platform = { os: 'linux', architecture: 'arm' }
  const index = (more: object, ofPlatform: object = {}) =>
    bytes({ schemaVersion: 2, manifests: [{ ...layer, platform: { ...platform, ...ofPlatform } }], ...more })
  const fine = { 'os.version': 5, 'os.features': 'a', features: ['x'] }
  assert.equal(parseIndex(index({ subject: layer, artifactType: 'x' }, fine), 'i').manifests.length, 1)
  const table: [Buffer, RegExp][] = [
    [index({ artifactType: 1 }), /artifactType is not a string/],
    [index({ subject: [] }), /subject is not an object/],
    [index({ subject: { ...layer, digest: 'x' } }), /subject\.digest is not a digest/],
    [index({}, { variant: 7 }), /manifests\[0\]\.platform\.variant is not a string/],
    [index({}, { features: [1] }), /manifests\[0\]\.platform\.features\[0\] is not a string/],
  ]
  for (const [document, message] of table)
    assert.throws(() => parseIndex(document, 'i'), fails('SLUICE_FORMAT', message))
})

test('the media type of a document: its own word, then the server, then its fields', () => {
  const index = 'application/vnd.oci.image.index.v1+json'
  const manifest = 'application/vnd.oci.image.manifest.v1+json'
  const docker = 'application/vnd.docker.distribution.manifest.v2+json'
  const table: [object, string | undefined, string][] = [
    [{ mediaType: docker, config: {} }, manifest, docker],
    [{ config: {}, layers: [] }, docker, docker],
    [{ config: {}, layers: [] }, 'text/plain', manifest],
    [{ manifests: [] }, undefined, index],
    [{ schemaVersion: 1, fsLayers: [] }, 'application/json', 'application/vnd.docker.distribution.manifest.v1+json'],
  ]
  for (const [document, stated, expected] of table)
    assert.equal(documentMediaType(bytes(document), stated, 'd'), expected)
  assert.throws(
    () => documentMediaType(bytes({ manifests: [], layers: [] }), undefined, 'd'),
    fails('SLUICE_FORMAT', /both/),
  )
})

test('a config: architecture, os and rootfs are required, config may be null', () => {
  const base = { architecture: 'amd64', os: 'linux', config: null, rootfs: { type: 'layers', diff_ids: [digest] } }
  assert.deepEqual(parseConfig(bytes(base)).diffIds, [digest])
  assert.equal(parseConfig(bytes({ ...base, config: { Labels: { a: 'b' } } })).labels.get('a'), 'b')
  for (const name of ['architecture', 'os', 'rootfs']) {
    assert.throws(
      () => parseConfig(bytes({ ...base, [name]: undefined })),
      fails('SLUICE_FORMAT', new RegExp(`missing field ${name}`)),
    )
  }
})

test('a config: what nothing here uses has its type all the same, as in other tools', () => {
  const rootfs = { type: 'layers', diff_ids: [digest] }
  const base = { architecture: 'amd64', os: 'linux', rootfs }
  const sound = [
    { created: 'yesterday', author: null, 'os.version': '10', 'os.features': ['a'], unknown: { a: [1] } },
    { rootfs: { ...rootfs, type: 'else' }, history: [{ empty_layer: true, comment: '', x: 5 }, {}] },
    {
      history: null,
      config: { User: '', Env: null, Cmd: ['a'], Volumes: { '/x': {} }, ExposedPorts: null, Memory: 'x' },
    },
  ]
  for (const more of sound) assert.deepEqual(parseConfig(bytes({ ...base, ...more })).diffIds, [digest])
  const table: [object, RegExp][] = [
    [{ rootfs: { diff_ids: [digest] } }, /missing field rootfs\.type/],
    [{ author: 5 }, /author is not a string/],
    [{ 'os.features': 'a' }, /os\.features is not an array/],
    [{ history: {} }, /history is not an array/],
    [{ history: [null] }, /history\[0\] is not an object/],
    [{ history: [{}, { empty_layer: 'yes' }] }, /history\[1\]\.empty_layer is neither true nor false/],
    [{ history: [{ created_by: 5 }] }, /history\[0\]\.created_by is not a string/],
    [{ config: { Env: 'x' } }, /config\.Env is not an array/],
    [{ config: { Entrypoint: ['a', 1] } }, /config\.Entrypoint\[1\] is not a string/],
    [{ config: { StopSignal: 9 } }, /config\.StopSignal is not a string/],
    [{ config: { ExposedPorts: ['80'] } }, /config\.ExposedPorts is not an object/],
    [{ config: { Volumes: { '/x': null } } }, /missing field config\.Volumes\.\/x/],
  ]
  for (const [more, message] of table)
    assert.throws(() => parseConfig(bytes({ ...base, ...more })), fails('SLUICE_FORMAT', message))
})

test('ids of layers: diff ids of images, blob digests of artifacts, counts must agree', () => {
  const config = bytes({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } })
  const image = parseManifest(bytes({ schemaVersion: 2, config: descriptor, layers: [layer] }), 'm')
  assert.deepEqual(layerIds(image, config), [digest])
  const [only] = imageLayers(image, config)
  assert.equal(only.id, digest)
  assert.deepEqual(only.treatment, { type: 'tar', compression: 'gzip' })
  const two = parseManifest(bytes({ schemaVersion: 2, config: descriptor, layers: [layer, layer] }), 'm')
  assert.throws(() => layerIds(two, config), fails('SLUICE_FORMAT', /1 diff ids, but the manifest has 2 layers/))
  const artifact = parseManifest(
    bytes({
      schemaVersion: 2,
      config: { ...descriptor, mediaType: 'application/vnd.oci.empty.v1+json' },
      layers: [layer],
    }),
    'm',
  )
  assert.deepEqual(layerIds(artifact, Buffer.from('{}')), [other])
  // As a containers-storage has them; a config of Docker's makes no image of an OCI manifest, nor any other of Docker's.
  const [ofDocker, ofOci] = ['docker.distribution.manifest.v2', 'oci.image.manifest.v1'].map(
    (type) => (config: string) => {
      const mediaType = `application/vnd.${type}+json`
      const fields = { schemaVersion: 2, mediaType, config: { ...descriptor, mediaType: config }, layers: [layer] }
      return parseManifest(bytes(fields), 'm')
    },
  )
  const dockerConfig = 'application/vnd.docker.container.image.v1+json'
  assert.deepEqual(layerIds(ofDocker(dockerConfig), config), [digest])
  assert.deepEqual(layerIds(ofDocker('x/y'), config), [other])
  assert.deepEqual(layerIds(ofOci(dockerConfig), config), [other])
  const blobLayer = parseManifest(
    bytes({ schemaVersion: 2, config: descriptor, layers: [{ ...layer, mediaType: 'x/y' }] }),
    'm',
  )
  assert.throws(() => imageLayers(blobLayer, config), fails('SLUICE_UNSUPPORTED', /x\/y/))
})

test('treatment of layers is by media type alone', () => {
  const oci = 'application/vnd.oci.image.layer.v1.tar'
  const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
  for (const base of [oci, foreign]) {
    assert.deepEqual(layerTreatment(base), { type: 'tar', compression: 'none' })
    assert.deepEqual(layerTreatment(`${base}+gzip`), { type: 'tar', compression: 'gzip' })
    assert.deepEqual(layerTreatment(`${base}+zstd`), { type: 'tar', compression: 'zstd' })
    assert.deepEqual(layerTreatment(`${base}+xz`), { type: 'blob' })
  }
  for (const type of ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'application/x-tar', '', 'toString']) {
    assert.deepEqual(layerTreatment(type), { type: 'blob' })
  }
})

test('Docker schema 2 becomes compact OCI JSON in a fixed order, with the config as it was', () => {
  const dockerType = 'application/vnd.docker.image.rootfs'
  const docker = parseManifest(
    bytes({
      layers: [
        { size: 9, digest: other, mediaType: `${dockerType}.diff.tar.gzip` },
        { mediaType: `${dockerType}.foreign.diff.tar.gzip`, size: 9, digest: other, urls: ['https://x/y'] },
        { mediaType: `${dockerType}.diff.tar`, size: 9, digest: other },
      ],
      config: { size: 3, digest, mediaType: 'application/vnd.docker.container.image.v1+json' },
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      schemaVersion: 2,
    }),
    'm',
  )
  const expected =
    `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
    `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"${digest}","size":3},"layers":[` +
    `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"${other}","size":9},` +
    `{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip","digest":"${other}","size":9,"urls":["https://x/y"]},` +
    `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"${other}","size":9}]}`
  const converted = convertDockerManifest(docker, 'm')
  assert.equal(converted.bytes.toString(), expected)
  assert.equal(converted.digest, `sha256:${createHash('sha256').update(expected).digest('hex')}`)
  assert.equal(converted.manifest.config.digest, digest)
})

test('tags as file names', () => {
  const table: [string, string][] = [
    ['a/b:c%2Fd', 'a%2Fb:c%252Fd'],
    ['plain tag ü', 'plain tag ü'],
    ['%25', '%2525'],
  ]
  for (const [tag, name] of table) {
    assert.equal(encodeRefName(tag), name)
    assert.equal(decodeRefName(name), tag)
  }
  assert.equal(decodeRefName('a%20b%2f'), 'a%20b%2f')
  for (const tag of ['', '.', '..', '@x', 'a\0b', 'x'.repeat(256), '/'.repeat(86)]) {
    assert.throws(() => checkTag(tag), fails('SLUICE_USAGE', /tag/))
  }
  for (const tag of ['a@b', '...', '/', 'x'.repeat(255)]) checkTag(tag)
})
