/** Images of containers-storage, in stores that podman would not write: damaged, hostile, unusual. */
import { describe, test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { SluiceError } from '../../src/errors.js'
import { bigDataFileName } from '../../src/formats/cstor/big-data-name.js'
import type { StorageReason } from '../../src/formats/cstor/storage-error.js'
import { MediaType } from '../../src/formats/oci/media-types.js'
import { libcAvailable } from '../../src/native/libc.js'
import { openStorageImage } from '../../src/stages/containers-storage/open-storage-image.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import type { StorageImage } from '../../src/stages/containers-storage/storage-image.js'
import { bareEnvironment, rebuildTar } from '../helpers/storage.js'
import {
  diffIdOf,
  HandmadeStore,
  storageId,
  tarSplitLines,
  type StoreLayer,
  type TarPart,
} from '../helpers/storage-store.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const header = 'h'.repeat(512)
const parts: readonly TarPart[] = [
  header,
  { name: 'usr/', content: '' },
  header,
  { name: './usr/bin/tool', content: 't'.repeat(700) },
  `padding${header}`,
  { name: 'usr/na\xefme', content: 'raw', rawName: true },
  'end',
]
const id = storageId('layer')
const imageId = storageId('image')

function makeStore(t: TestContext, driver: 'overlay' | 'vfs' = 'overlay'): HandmadeStore {
  return new HandmadeStore(join(temporaryDirectory(t), 'root'), driver)
}

/** A store with one image of one layer. */
function simpleStore(t: TestContext, layer: Partial<StoreLayer> = {}): HandmadeStore {
  const store = makeStore(t)
  const made = { id, parts, ...layer }
  store.write([made], [{ id: imageId, names: ['localhost/a:b'], layer: id, diffIds: [diffIdOf(made.parts)] }])
  return store
}

async function open(
  t: TestContext,
  store: HandmadeStore,
  name = 'a:b',
  ...more: HandmadeStore[]
): Promise<StorageImage> {
  const image = await openStorageImage(name, {
    storageRoot: store.root,
    additionalStores: more.map(({ root }) => root),
    env: bareEnvironment(store.root),
  })
  t.after(() => image.close())
  return image
}

const because =
  (reason: StorageReason, ...words: string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.details['reason'], reason, error.message)
    for (const word of words) assert.ok(error.message.includes(word), `${error.message} says nothing of ${word}`)
    // What is no image at all has no remedy.
    assert.ok(error.hint !== undefined || reason === 'MANIFEST_UNSUPPORTED', `${error.message} says not what to do`)
    return true
  }

/** The only layer of the image cannot be rebuilt; nothing stays open. */
async function refused(t: TestContext, store: HandmadeStore, reason: StorageReason, ...words: string[]): Promise<void> {
  const before = readdirSync('/proc/self/fd').length
  const image = await open(t, store)
  await assert.rejects(rebuildTar(image.layers[0]), because(reason, ...words))
  image.close()
  assert.equal(readdirSync('/proc/self/fd').length, before, 'a descriptor is left open')
}

test('a layer comes out as it was, as often as it is asked for', async (t) => {
  const image = await open(t, simpleStore(t))
  const tar = { diffId: diffIdOf(parts), size: 2249, files: 2, wrongChecksums: [] }
  assert.deepEqual(await rebuildTar(image.layers[0]), tar)
  assert.deepEqual(await rebuildTar(image.layers[0]), tar)
  assert.equal(image.layers[0].size, tar.size)
  assert.equal(image.layers[0].mustVerify, false)
  assert.deepEqual(
    image.warnings.filter((warning) => !warning.includes('cannot be locked')),
    [],
  )
  image.close()
  image.close()
  await assert.rejects(rebuildTar(image.layers[0]), /is closed/)
  await assert.rejects(image.layers[0].isVanished(), /is closed/)
})

test('an entry without data may have no name, as global headers do; one with data may not', async (t) => {
  const store = simpleStore(t)
  const lines = tarSplitLines(parts).split('\n').slice(0, -1)
  const nameless = (position: number): string => JSON.stringify({ type: 1, payload: null, position })
  writeFileSync(store.tarSplit(id), gzipSync([...lines, nameless(lines.length)].join('\n')))
  const image = await open(t, store)
  assert.equal((await rebuildTar(image.layers[0])).diffId, diffIdOf(parts))
  writeFileSync(store.tarSplit(id), gzipSync(lines.join('\n').replace(/"name":"[^"]*tool",/, '')))
  await refused(t, store, 'TARSPLIT_CORRUPT', id, 'leads nowhere')
  writeFileSync(store.tarSplit(id), gzipSync(lines.join('\n').replace(/"name":"[^"]*tool"/, `"name":5`)))
  await refused(t, store, 'TARSPLIT_CORRUPT', id, 'line 4: name is not a string')
})

test('a consumer that stops early leaves nothing open', async (t) => {
  const image = await open(t, simpleStore(t))
  const before = readdirSync('/proc/self/fd').length
  for await (const piece of image.layers[0].pieces()) {
    assert.equal(piece.file, undefined)
    break
  }
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

describe('damage to a layer', () => {
  const tool = (store: HandmadeStore): string => join(store.layerDirectory(id), 'usr/bin/tool')

  test('data that is missing, cut, grown, or no file', async (t) => {
    const damages: [(path: string) => void, StorageReason][] = [
      [(path) => rmSync(path), 'LAYER_DATA_MISSING'],
      [(path) => truncateSync(path, 10), 'LAYER_DATA_SIZE'],
      [(path) => appendFileSync(path, 'x'), 'LAYER_DATA_SIZE'],
      [(path) => (rmSync(path), mkdirSync(path)), 'LAYER_DATA_TYPE'],
      [(path) => (rmSync(path), execFileSync('mkfifo', [path])), 'LAYER_DATA_TYPE'],
      [(path) => (rmSync(path), symlinkSync('/etc/passwd', path)), 'LAYER_DATA_TYPE'],
      [(path) => (rmSync(path), symlinkSync('tool', path)), 'LAYER_DATA_TYPE'],
    ]
    for (const [damage, reason] of damages) {
      const store = simpleStore(t)
      damage(tool(store))
      await refused(t, store, reason, id, 'usr/bin/tool')
    }
  })

  test('a directory that is a link to outside is never left', async (t) => {
    const store = simpleStore(t)
    const outside = temporaryDirectory(t)
    writeFileSync(join(outside, 'tool'), 't'.repeat(700))
    for (const target of [outside, '../../../../../../..'.repeat(3) + outside]) {
      const directory = join(store.layerDirectory(id), 'usr/bin')
      rmSync(directory, { recursive: true })
      symlinkSync(target, directory)
      await refused(t, store, 'LAYER_DATA_MISSING', 'usr/bin/tool')
    }
  })

  test('data that changed shows in its checksum', async (t) => {
    const store = simpleStore(t)
    writeFileSync(tool(store), 'T'.repeat(700))
    const rebuilt = await rebuildTar((await open(t, store)).layers[0])
    assert.deepEqual(rebuilt.wrongChecksums, ['usr/bin/tool'])
    assert.notEqual(rebuilt.diffId, diffIdOf(parts))
  })

  test('a tar-split that is cut, short, long, or not its own', async (t) => {
    const lines = tarSplitLines(parts)
    const texts: [string | Buffer, string][] = [
      [gzipSync(lines).subarray(0, 60), 'ends early'],
      [gzipSync(lines).subarray(0, -4), 'ends early'],
      [Buffer.from('not gzip'), 'damaged'],
      [Buffer.alloc(0), 'damaged'],
      [lines.split('\n').slice(0, -2).join('\n'), 'ends early'],
      [`${lines}{"type":2,"payload":"AA==","position":7}\n`, 'more than'],
      [lines.replace('"position":3', '"position":4'), 'line 4: position'],
      [`${lines}{"type":3,"position":9}`, 'unknown tar-split entry type 3'],
      [
        `${lines.split('\n').slice(0, -2).join('\n')}\n{"type":1,"name":"../../etc/passwd","size":3,"payload":"AAAAAAAAAAA="}`,
        'leads',
      ],
      [`${lines}x`, 'line 8: it is not JSON'],
      [`${lines}{"type":2,"x":[${'{},'.repeat(500_000)}{}]}`, 'line 8: it is not an entry, but many values'],
      [lines.replace('"size":700', '"size":1e300'), 'size'],
      [lines.replace('"size":700', '"size":9007199254740991'), 'more than'],
      [lines.replace('"payload":"', '"payload":"*'), 'not base64'],
      [lines.replace(/("payload":")../, '$1_-'), 'not base64'],
      [lines.replace('"size":700', '"size":700,"name_raw":5'), 'line 4: name_raw is not a string'],
      [lines.replace(/("size":700,"payload":)"[^"]+"/, '$1null'), 'line 4: payload is not the CRC-64'],
      [lines.replace(/("size":700,)"payload":"[^"]+",/, '$1'), 'line 4: payload is not the CRC-64'],
      [lines.replace(/("size":700,"payload":)"[^"]+"/, '$1"AAAA"'), 'line 4: payload is not the CRC-64'],
      ['{"type":2,"payload":""}\n'.repeat(20_000), 'more than'],
    ]
    for (const [text, word] of texts) {
      const store = simpleStore(t)
      writeFileSync(store.tarSplit(id), typeof text === 'string' ? gzipSync(text) : text)
      await refused(t, store, 'TARSPLIT_CORRUPT', id, word)
    }
  })

  test('layers of kinds that cannot be read', async (t) => {
    const noTarSplit = simpleStore(t)
    rmSync(noTarSplit.tarSplit(id))
    await refused(t, noTarSplit, 'LAYER_NO_TARSPLIT', id)

    const composefs = simpleStore(t)
    mkdirSync(join(composefs.root, 'overlay', id, 'composefs-data'))
    writeFileSync(join(composefs.root, 'overlay', id, 'composefs-data/composefs.blob'), '')
    await refused(t, composefs, 'LAYER_COMPOSEFS', id)

    const additional = simpleStore(t)
    rmSync(additional.layerDirectory(id), { recursive: true })
    symlinkSync('/some/where', additional.layerDirectory(id))
    await refused(t, additional, 'LAYER_ADDITIONAL_STORE', id)

    for (const record of [{}, { 'diff-digest': undefined }]) {
      const incomplete = simpleStore(t, { record: { ...record, flags: { incomplete: true } } })
      await assert.rejects(open(t, incomplete), because('LAYER_INCOMPLETE', diffIdOf(parts)))
    }
  })

  test('a layer that was removed is told from one that is damaged', async (t) => {
    const store = simpleStore(t)
    const image = await open(t, store)
    rmSync(store.layerDirectory(id), { recursive: true })
    await assert.rejects(rebuildTar(image.layers[0]), because('LAYER_DATA_MISSING', id))
    assert.equal(await image.layers[0].isVanished(), false)
    writeFileSync(join(store.root, 'overlay-layers/layers.json'), '[]')
    await assert.rejects(rebuildTar(image.layers[0]), because('LAYER_VANISHED', id))
    assert.equal(await image.layers[0].isVanished(), true)
  })

  test('a whole store that was removed', async (t) => {
    const store = simpleStore(t)
    const image = await open(t, store)
    rmSync(store.root, { recursive: true })
    await assert.rejects(rebuildTar(image.layers[0]), because('LAYER_VANISHED', id))
  })
})

describe('where data is', () => {
  test('directories that are links are followed inside of the layer, which takes native code', async (t) => {
    for (const target of ['real', '/usr/real']) {
      const linked: TarPart[] = [{ name: 'usr/lnk/file', content: 'through' }]
      const store = simpleStore(t, { parts: linked })
      const directory = join(store.layerDirectory(id), 'usr')
      renameSync(join(directory, 'lnk'), join(directory, 'real'))
      symlinkSync(target, join(directory, 'lnk'))
      const rebuilt = rebuildTar((await open(t, store)).layers[0])
      if (libcAvailable()) assert.equal((await rebuilt).diffId, diffIdOf(linked))
      else await assert.rejects(rebuilt, { code: 'SLUICE_NOT_FOUND', hint: /native code/ })
    }
  })

  const base = storageId('base')
  const middle = storageId('middle')
  const file: TarPart = { name: 'usr/file', content: 'content of the file' }

  test('what the layer has not is looked for in its parents, nearest first', async (t) => {
    const store = makeStore(t)
    const lower: TarPart[] = [header, { name: 'usr/file', content: 'CONTENT OF THE FILE' }]
    const layers: StoreLayer[] = [
      { id: base, parts: lower },
      { id: middle, parent: base, parts: [file] },
      { id, parent: middle, parts: [header, file], withoutFiles: true },
    ]
    const diffIds = layers.map((layer) => diffIdOf(layer.parts))
    store.write(layers, [{ id: imageId, names: ['a:b'], layer: id, diffIds }])
    const image = await open(t, store)
    assert.deepEqual(
      image.layers.map((layer) => layer.id),
      [base, middle, id],
    )
    assert.equal((await rebuildTar(image.layers[2])).diffId, diffIds[2])
  })

  test('a stub of overlayfs stands for the file of a parent', async (t) => {
    const store = makeStore(t)
    const layers: StoreLayer[] = [
      { id: base, parts: [file] },
      { id, parent: base, parts: [header, file], withoutFiles: true },
    ]
    const diffIds = layers.map((layer) => diffIdOf(layer.parts))
    store.write(layers, [{ id: imageId, names: ['a:b'], layer: id, diffIds }])
    const stub = join(store.layerDirectory(id), 'usr/file')
    mkdirSync(join(store.layerDirectory(id), 'usr'))
    writeFileSync(stub, '')
    truncateSync(stub, 19)
    const image = await open(t, store)
    assert.notEqual((await rebuildTar(image.layers[1])).diffId, diffIds[1], 'a file with a hole is not a stub')
    if (!setXattr(stub)) return t.skip('no xattrs here')
    if (!libcAvailable()) return t.skip('needs native code')
    assert.equal((await rebuildTar(image.layers[1])).diffId, diffIds[1])
  })

  test('layers are in any of several stores', async (t) => {
    const [first, second] = [makeStore(t), makeStore(t)]
    const layers: StoreLayer[] = [
      { id: base, parts: [file] },
      { id, parent: base, parts: [header, file], withoutFiles: true },
    ]
    const diffIds = layers.map((layer) => diffIdOf(layer.parts))
    second.write([layers[0]], [])
    first.write([layers[1]], [{ id: imageId, names: ['a:b'], layer: id, diffIds }])
    await assert.rejects(open(t, first), because('LAYER_CHAIN_MISMATCH', diffIds[0]))
    const image = await open(t, first, 'a:b', second)
    assert.equal(image.store, first.root)
    for (const [i, layer] of image.layers.entries()) assert.equal((await rebuildTar(layer)).diffId, diffIds[i])
    // The image in the additional store, its layers in both.
    const reversed = await open(t, second, 'a:b', first)
    assert.equal(reversed.store, first.root)
    assert.equal((await rebuildTar(reversed.layers[1])).diffId, diffIds[1])
  })

  test('vfs: only its own directory', async (t) => {
    const store = makeStore(t, 'vfs')
    const layers: StoreLayer[] = [
      { id: base, parts: [file] },
      { id, parent: base, parts: [header, file] },
    ]
    const diffIds = layers.map((layer) => diffIdOf(layer.parts))
    store.write(layers, [{ id: imageId, names: ['a:b'], layer: id, diffIds }])
    assert.equal((await rebuildTar((await open(t, store)).layers[1])).diffId, diffIds[1])
    rmSync(join(store.layerDirectory(id), 'usr/file'))
    await assert.rejects(rebuildTar((await open(t, store)).layers[1]), because('LAYER_DATA_MISSING', 'usr/file'))
  })
})

function setXattr(path: string): boolean {
  try {
    const script = 'import os, sys; os.setxattr(sys.argv[1], "user.overlay.metacopy", b"")'
    execFileSync('python3', ['-c', script, path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('the chain of layers', () => {
  const layer = (name: string, parent?: string, record = {}): StoreLayer => ({
    id: storageId(name),
    ...(parent === undefined ? {} : { parent: storageId(parent) }),
    parts: [header, { name: 'usr/name', content: name }],
    record,
  })
  const resolve = async (
    t: TestContext,
    layers: readonly StoreLayer[],
    diffIds = layers.map((l) => diffIdOf(l.parts)),
  ) => {
    const store = makeStore(t)
    store.write(layers, [{ id: imageId, names: ['a:b'], layer: layers.at(-1)?.id ?? '', diffIds }])
    return open(t, store)
  }

  test('a cycle, and an id that is a path, are refused', async (t) => {
    await assert.rejects(resolve(t, [layer('a', 'b'), layer('b', 'a')]), because('STORE_CORRUPT', 'itself'))
    const store = simpleStore(t)
    const file = join(store.root, 'overlay-layers/layers.json')
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(id, '../../x'))
    await refused(t, store, 'STORE_CORRUPT', 'path')
  })

  test('a chain of 500 layers at most', async (t) => {
    const layers = Array.from({ length: 501 }, (_, i) => layer(`l${i}`, i === 0 ? undefined : `l${i - 1}`))
    await assert.rejects(resolve(t, layers), because('STORE_CORRUPT', '500'))
  })

  test('one that does not fit: each layer by its diff_id, if there is one', async (t) => {
    const layers = [layer('a'), layer('b'), layer('c', 'b')]
    const image = await resolve(t, layers)
    assert.deepEqual(
      image.layers.map((found) => found.id),
      layers.map((made) => made.id),
    )
    const other = `sha256:${'0'.repeat(64)}`
    await assert.rejects(resolve(t, layers.slice(0, 1), [other]), because('LAYER_NOT_FOUND', other))
  })

  test('the same diff_id twice is one layer twice', async (t) => {
    const layers = [layer('a'), layer('b', 'a'), { ...layer('a'), id: storageId('again'), parent: storageId('b') }]
    const image = await resolve(t, layers)
    assert.equal(image.layers[0], image.layers[2])
    assert.equal(image.layers.length, 3)
  })

  test('what the storage did not check has to be checked', async (t) => {
    const diffId = diffIdOf(layer('a').parts)
    const records: [object, boolean][] = [
      [{}, false],
      [{ 'diff-digest': undefined, flags: { 'expected-layer-diffid': diffId } }, true],
      [{ 'toc-digest': 'sha256:1' }, true],
      [{ 'toc-digest': 'sha256:1', 'diff-digest': '', 'diff-size': -1 }, true],
      [{ 'diff-size': -1 }, true],
      [{ 'diff-size': undefined }, true],
    ]
    for (const [record, mustVerify] of records) {
      const image = await resolve(t, [layer('a', undefined, record)])
      assert.equal(image.layers[0].mustVerify, mustVerify)
      assert.equal((await rebuildTar(image.layers[0])).diffId, diffId)
    }
    await assert.rejects(
      resolve(t, [layer('a', undefined, { 'diff-digest': undefined })]),
      because('LAYER_NOT_FOUND', diffId),
    )
  })
})

describe('manifest and config', () => {
  const sha256 = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const folder = (store: HandmadeStore): string => join(store.root, 'overlay-images', imageId)

  test('changed documents are refused, missing ones named', async (t) => {
    const changed = simpleStore(t)
    appendFileSync(join(folder(changed), 'manifest'), ' ')
    await assert.rejects(open(t, changed), because('MANIFEST_CORRUPT', 'expected'))
    const config = readdirSync(folder(changed)).find((name) => name.startsWith('='))!
    const other = simpleStore(t)
    appendFileSync(join(folder(other), config), ' ')
    await assert.rejects(open(t, other), because('CONFIG_CORRUPT', 'expected'))
    rmSync(join(folder(other), config))
    await assert.rejects(open(t, other), because('CONFIG_CORRUPT', 'no config'))
    rmSync(join(folder(other), 'manifest'))
    await assert.rejects(open(t, other), because('MANIFEST_CORRUPT', 'no manifest'))
  })

  test('an item that is named by a digest has that digest', async (t) => {
    const store = simpleStore(t)
    const bytes = readFileSync(join(folder(store), 'manifest'), 'utf8')
    rmSync(join(folder(store), 'manifest'))
    writeFileSync(join(folder(store), bigDataFileName(`manifest-${sha256(bytes)}`)), `${bytes} `)
    await assert.rejects(open(t, store), because('MANIFEST_CORRUPT', sha256(bytes)))
  })

  test('the item named by the digest of the image takes the place of a missing manifest', async (t) => {
    const store = simpleStore(t)
    const bytes = readFileSync(join(folder(store), 'manifest'), 'utf8')
    renameSync(join(folder(store), 'manifest'), join(folder(store), bigDataFileName(`manifest-${sha256(bytes)}`)))
    assert.equal((await open(t, store)).manifest.toString(), bytes)
  })

  test('the manifest that was asked for by its digest', async (t) => {
    const store = simpleStore(t)
    const bytes = `${readFileSync(join(folder(store), 'manifest'), 'utf8')}\n`
    writeFileSync(join(folder(store), bigDataFileName(`manifest-${sha256(bytes)}`)), bytes)
    const images = join(store.root, 'overlay-images/images.json')
    writeFileSync(
      images,
      readFileSync(images, 'utf8').replace('"big-data-digests":{', `$&"manifest-${sha256(bytes)}":"${sha256(bytes)}",`),
    )
    const asked = await open(t, store, `localhost/a@${sha256(bytes)}`)
    assert.equal(asked.manifestDigest, sha256(bytes))
    assert.notEqual((await open(t, store)).manifestDigest, sha256(bytes))
  })

  test('indexes, schema 1 and artifacts are no images', async (t) => {
    const manifests: [object, string][] = [
      [{ mediaType: MediaType.ociIndex, manifests: [], config: undefined, layers: undefined }, 'MANIFEST_UNSUPPORTED'],
      [{ config: { mediaType: 'text/plain', digest: `sha256:${'0'.repeat(64)}`, size: 1 } }, 'MANIFEST_UNSUPPORTED'],
    ]
    for (const [manifest, reason] of manifests) {
      const store = makeStore(t)
      const fields = manifest as Record<string, unknown>
      store.write(
        [{ id, parts }],
        [{ id: imageId, names: ['a:b'], layer: id, diffIds: [diffIdOf(parts)], manifest: fields }],
      )
      await assert.rejects(open(t, store), (error: SluiceError) => {
        if (fields['mediaType'] === MediaType.ociIndex) assert.match(error.hint ?? '', /name one of these images/)
        return because(reason as StorageReason)(error)
      })
    }
    const schema1 = makeStore(t)
    const old = { schemaVersion: 1, mediaType: undefined, config: undefined }
    schema1.write([], [{ id: imageId, names: ['a:b'], diffIds: [], manifest: old }])
    await assert.rejects(open(t, schema1), { code: 'SLUICE_UNSUPPORTED' })
  })

  test('Docker schema 2 is taken as it is, and said to be', async (t) => {
    const store = makeStore(t)
    const diffIds = [diffIdOf(parts)]
    store.write(
      [{ id, parts }],
      [{ id: imageId, names: ['a:b'], layer: id, diffIds, manifest: { mediaType: MediaType.dockerManifest } }],
    )
    const image = await open(t, store)
    assert.equal(image.manifestMediaType, MediaType.dockerManifest)
    assert.match(image.warnings.join(), /Docker schema 2/)
  })
})

describe('which image', () => {
  const image = (name: string, ...names: string[]) => ({ id: storageId(name), names, diffIds: [] })

  test('names that mean several images are refused, unless one is exact', async (t) => {
    const store = makeStore(t)
    store.write(
      [],
      [image('x', 'one.example/a:b', 'one.example/only:1'), image('y', 'two.example/a:b'), image('z', 'a:c')],
    )
    await assert.rejects(open(t, store, 'a:b'), because('IMAGE_AMBIGUOUS', storageId('x'), storageId('y')))
    assert.equal((await open(t, store, 'two.example/a:b')).id, storageId('y'))
    assert.equal((await open(t, store, 'only:1')).name, 'one.example/a:b')
    assert.equal((await open(t, store, 'a:c')).id, storageId('z'))
    await assert.rejects(open(t, store, 'example/a:b'), because('IMAGE_NOT_FOUND', store.root))
  })

  test('the public registry has other names, and short ones', async (t) => {
    const store = makeStore(t)
    const digest = `sha256:${'d'.repeat(64)}`
    const record = { digest, 'big-data-digests': {} }
    store.write(
      [],
      [
        { ...image('x', 'docker.io/library/app:latest'), record },
        image('y', 'docker.io/team/app:v1'),
        image('z', 'docker.io/odd:1', 'example/docker.io/library/other:latest'),
      ],
    )
    const found: readonly (readonly [string, string])[] = [
      ['docker.io/app', 'x'],
      ['docker.io/app:latest', 'x'],
      ['index.docker.io/app', 'x'],
      ['index.docker.io/library/app', 'x'],
      [`docker.io/app@${digest}`, 'x'],
      [`docker.io/app@${storageId('x')}`, 'x'],
      ['index.docker.io/team/app:v1', 'y'],
      ['docker.io/odd:1', 'z'],
    ]
    for (const [name, named] of found) assert.equal((await open(t, store, name)).id, storageId(named), name)
    for (const name of ['docker.io/app:v1', 'localhost/app', 'quay.io/app', 'docker.io', 'docker.io/']) {
      await assert.rejects(open(t, store, name), because('IMAGE_NOT_FOUND'), name)
    }
  })

  test('nothing that a store says of an image acts on the terminal', async (t) => {
    const escape = '\u001b]0;title\u0007'
    const shown = (reason: StorageReason) => (error: unknown) =>
      because(reason, '\\u001b]0;title\\u0007')(error) && !(error as Error).message.includes('\u001b')
    const twice = makeStore(t)
    twice.write([], [image('x', 'one/a:b', escape), { ...image('y', 'two/a:b'), record: { id: `${escape}id` } }])
    await assert.rejects(open(t, twice, 'a:b'), shown('IMAGE_AMBIGUOUS'))
    const odd = makeStore(t)
    odd.write([], [{ ...image('x', 'a:b'), record: { 'big-data-digests': { manifest: escape } } }])
    await assert.rejects(open(t, odd, 'a:b'), shown('MANIFEST_CORRUPT'))
    const type = makeStore(t)
    const config = { mediaType: escape, digest: `sha256:${'0'.repeat(64)}`, size: 1 }
    type.write([], [{ ...image('x', 'a:b'), manifest: { config } }])
    await assert.rejects(open(t, type, 'a:b'), shown('MANIFEST_UNSUPPORTED'))
  })

  test('a name may have a digest that is not of its manifest', async (t) => {
    const store = makeStore(t)
    const digest = `sha256:${'d'.repeat(64)}`
    store.write([], [image('x', `one.example/a@${digest}`), image('y', `one.example/b@${imageId}:latest`)])
    assert.equal((await open(t, store, `one.example/a@${digest}`)).id, storageId('x'))
    assert.equal((await open(t, store, `a@${digest}`)).id, storageId('x'))
    await assert.rejects(open(t, store, `b@${digest}`), because('IMAGE_NOT_FOUND'))
    await assert.rejects(open(t, store, `b@${imageId}`), because('IMAGE_NOT_FOUND'))
  })

  test('stores are asked in order; prefixes of ids are unique over all', async (t) => {
    const [first, second] = [makeStore(t), makeStore(t)]
    const [a, b] = [
      { ...image('a', 'x:y'), id: `abc1${'0'.repeat(60)}` },
      { ...image('b', 'x:y'), id: `abc2${'0'.repeat(60)}` },
    ]
    first.write([], [a])
    second.write([], [b])
    assert.equal((await open(t, first, 'x:y', second)).id, a.id)
    assert.equal((await open(t, second, 'x:y', first)).id, b.id)
    assert.equal((await open(t, first, b.id, second)).store, second.root)
    assert.equal((await open(t, first, 'sha256:abc2', second)).id, b.id)
    await assert.rejects(open(t, first, 'abc', second), because('IMAGE_AMBIGUOUS', a.id, b.id))
    await assert.rejects(open(t, first, 'ab', second), because('IMAGE_NOT_FOUND'))
  })
})

test('policy.json: the names that were asked for decide; by id, all names', async (t) => {
  const store = makeStore(t)
  const names = ['localhost/x:latest', 'quay.io/good/app:v1']
  store.write([{ id, parts }], [{ id: imageId, names, layer: id, diffIds: [diffIdOf(parts)] }])
  const { manifestDigest } = await open(t, store, imageId)
  const place = `[overlay@${store.root}]`
  const rejected = async (scope: string, asked: string): Promise<boolean> => {
    const reject = { [scope]: [{ type: 'reject' }] }
    const policy = { default: [{ type: 'insecureAcceptAnything' }], transports: { 'containers-storage': reject } }
    const policyFile = join(store.root, 'policy.json')
    writeFileSync(policyFile, JSON.stringify(policy))
    const places = { env: bareEnvironment(store.root), home: store.root, etc: store.root, policyFile }
    const opened = openImageSource(`containers-storage:${asked}`, { ...places, storage: { storageRoot: store.root } })
    return opened.then(
      async (source) => (await source.close(), false),
      (error: unknown) => {
        assert.ok(error instanceof SluiceError && error.code === 'SLUICE_POLICY', String(error))
        return true
      },
    )
  }
  const byDigest = `localhost/x@${manifestDigest}`
  const all = ['localhost/x', 'app:v1', `quay.io/good/app@${imageId}`, byDigest, imageId, imageId.slice(0, 9)]
  const byId = all.slice(4)
  // Of these, skopeo knows no names of an image that is asked for by its id, and not its tag where the digest is given.
  const cases: [string, readonly string[]][] = [
    [`${place}localhost/x:latest@${imageId}`, ['localhost/x', byDigest, ...byId]],
    [`${place}localhost/x:latest`, ['localhost/x', byDigest, ...byId]],
    [`${place}localhost/x`, ['localhost/x', byDigest, ...byId]],
    [`${place}${byDigest}`, [byDigest]],
    [`${place}quay.io/good`, ['app:v1', `quay.io/good/app@${imageId}`, ...byId]],
    [`${place}quay.io`, ['app:v1', `quay.io/good/app@${imageId}`, ...byId]],
    [`${place}@${imageId}`, byId],
    [place, all],
    [`[${store.root}]`, all],
    [`[vfs@${store.root}]`, []],
    [`${place}quay.io/goo`, []],
  ]
  for (const [scope, expected] of cases) {
    const actual = []
    for (const asked of all) if (await rejected(scope, asked)) actual.push(asked)
    assert.deepEqual(actual, expected, scope)
  }
})

describe('stores', () => {
  test('what was named and is no store is an error, with the reason', async (t) => {
    const empty = temporaryDirectory(t)
    const options = { storageRoot: empty, env: bareEnvironment(empty) }
    await assert.rejects(
      openStorageImage('a', options),
      because('STORE_NOT_FOUND', `${empty}/overlay: no such directory`),
    )
    symlinkSync('elsewhere', join(empty, 'overlay'))
    await assert.rejects(
      openStorageImage('a', options),
      because('STORE_NOT_FOUND', `${empty}/overlay: not a directory, or a link`),
    )
    const store = simpleStore(t)
    await assert.rejects(
      openStorageImage('a:b', { ...options, storageRoot: store.root, additionalStores: [empty] }),
      because('STORE_NOT_FOUND', empty),
    )
  })

  test('records that are no records', async (t) => {
    for (const [text, reason] of [
      ['{}', 'STORE_CORRUPT'],
      ['[', 'STORE_CORRUPT'],
      ['', 'IMAGE_NOT_FOUND'],
      ['null', 'IMAGE_NOT_FOUND'],
      ['[3, null, [], {"id": 7, "names": "x"}, {"names": [3]}]', 'IMAGE_NOT_FOUND'],
    ] as const) {
      const store = simpleStore(t)
      writeFileSync(join(store.root, 'overlay-images/images.json'), text)
      await assert.rejects(open(t, store), because(reason), text)
    }
    const fifo = simpleStore(t)
    rmSync(join(fifo.root, 'overlay-images/images.json'))
    execFileSync('mkfifo', [join(fifo.root, 'overlay-images/images.json')])
    await assert.rejects(open(t, fifo), because('STORE_CORRUPT', 'not a regular file'))
    const link = simpleStore(t)
    rmSync(join(link.root, 'overlay-images/images.json'))
    symlinkSync(join(fifo.root, 'overlay-images/images.json'), join(link.root, 'overlay-images/images.json'))
    await assert.rejects(open(t, link), because('STORE_CORRUPT', 'images.json is a link'))
  })

  test('one that cannot be read is passed over, unless it comes first or something is missing', async (t) => {
    const sound = simpleStore(t)
    const noImages = simpleStore(t)
    writeFileSync(join(noImages.root, 'overlay-images/images.json'), '[')
    const noLayers = makeStore(t)
    writeFileSync(join(noLayers.root, 'overlay-layers/layers.json'), '{')
    const image = await open(t, sound, 'a:b', noImages, noLayers)
    assert.equal(image.store, sound.root)
    assert.equal((await rebuildTar(image.layers[0])).diffId, diffIdOf(parts))
    const told = image.warnings.filter((warning) => warning.includes('passed over'))
    assert.equal(told.length, 2)
    assert.match(told.join(), new RegExp(`${noImages.root}/overlay-images/images.json is not JSON`))

    await assert.rejects(open(t, noImages, 'a:b', sound), because('STORE_CORRUPT', 'images.json'))
    await assert.rejects(open(t, sound, 'other', noLayers), because('STORE_CORRUPT', 'layers.json'))
    const noBase = makeStore(t)
    noBase.write([], [{ id: imageId, names: ['a:b'], layer: id, diffIds: [diffIdOf(parts)] }])
    await assert.rejects(open(t, noBase, 'a:b', noLayers), because('STORE_CORRUPT', 'layers.json'))
  })

  test('the configuration names them, too', async (t) => {
    const store = simpleStore(t)
    const conf = join(temporaryDirectory(t), 'storage.conf')
    writeFileSync(conf, `[storage]\ndriver = "overlay"\ngraphroot = "${store.root}"\n`)
    const image = await openStorageImage('a:b', { env: bareEnvironment('/no/home', { CONTAINERS_STORAGE_CONF: conf }) })
    image.close()
    assert.equal(image.store, store.root)
  })
})
