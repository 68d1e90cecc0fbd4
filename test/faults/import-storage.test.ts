/** Damaged stores: an error that says what is wrong, nothing registered, and an undamaged store imports afterwards. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { before, describe, test, type TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { SluiceError } from '../../src/errors.js'
import { probeDirectory } from '../../src/native/capabilities.js'
import { libcAvailable } from '../../src/native/libc.js'
import { writeXattr } from '../../src/native/xattr.js'
import { pullOci, pullOciImage } from '../../src/pipelines/pull-oci.js'
import type { PullOptions } from '../../src/pipelines/pull-run.js'
import { streamName } from '../../src/repository/names.js'
import { TEMPORARY_PREFIX } from '../../src/repository/temporary-object.js'
import type { Repository } from '../../src/repository/repository.js'
import { FileSharer } from '../../src/stages/object/share-file.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { expectedImages, importImage, missingStore, unpackStore } from '../helpers/storage-vectors.js'
import { diffIdOf, HandmadeStore, storageId, type TarPart } from '../helpers/storage-store.js'
import { directory, endMarker, header } from '../helpers/tar-build.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { readJsonVector } from '../helpers/vectors.js'

interface Mutation {
  readonly name: string
  readonly ops: readonly (readonly (string | number)[])[]
}

const skip = missingStore('main-plain')
const notRoot = process.getuid?.() !== 0 && 'hard links are for root'
const image = 'localhost/hardlinks:latest'

/** What the message must say, and `details.reason`, for each case of the vectors. */
const verdicts: Readonly<Record<string, { readonly says: RegExp; readonly reason?: string } | 'succeeds'>> = {
  'same-size change': { says: /usr\/a/, reason: 'LAYER_DIGEST' },
  'truncated data file': { says: /usr\/a\b.*100/, reason: 'LAYER_DATA_SIZE' },
  'grown data file': { says: /usr\/a\b/, reason: 'LAYER_DATA_SIZE' },
  'missing data file': { says: /usr\/a3/, reason: 'LAYER_DATA_MISSING' },
  'data file replaced by a symlink to outside': { says: /usr\/a3/ },
  'data file replaced by a directory': { says: /usr\/a3/, reason: 'LAYER_DATA_TYPE' },
  'data file replaced by a fifo': { says: /usr\/a3/, reason: 'LAYER_DATA_TYPE' },
  'no tar-split': { says: /tar-split/, reason: 'LAYER_NO_TARSPLIT' },
  'cut tar-split': { says: /tar-split/, reason: 'TARSPLIT_CORRUPT' },
  'tar-split with its last line lost': { says: /layer/ },
  'unknown entry type': { says: /type 3|position/, reason: 'TARSPLIT_CORRUPT' },
  'name with dot-dot in tar-split': { says: /\.\.|position/, reason: 'TARSPLIT_CORRUPT' },
  // The item `manifest-<digest>` has the same bytes.
  'image without manifest item': 'succeeds',
  'config altered': { says: /config/, reason: 'CONFIG_CORRUPT' },
}

function editTarSplit(path: string, edit: (lines: string[]) => string[]): void {
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split('\n')
  writeFileSync(path, gzipSync(`${edit(lines).join('\n')}\n`))
}

const operations: Readonly<Record<string, (path: string, ...rest: readonly (string | number)[]) => void>> = {
  patch: (path, offset, hex) => {
    const fd = openSync(path, 'r+')
    writeSync(fd, Buffer.from(String(hex), 'hex'), 0, undefined, Number(offset))
    closeSync(fd)
  },
  truncate: (path, length) => truncateSync(path, Number(length)),
  append: (path, hex) => appendFileSync(path, Buffer.from(String(hex), 'hex')),
  rm: (path) => rmSync(path),
  symlink: (path, target) => symlinkSync(String(target), path),
  mkdir: (path) => mkdirSync(path),
  mkfifo: (path) => void execFileSync('mkfifo', [path]),
  'drop-last-tarsplit-line': (path) =>
    editTarSplit(path, (lines) => {
      const last = lines.findLastIndex((line) => {
        const { type, payload } = JSON.parse(line) as { type: number; payload?: string | null }
        return type === 2 && (payload ?? '') !== ''
      })
      return lines.toSpliced(last, 1)
    }),
  'append-tarsplit-line': (path, line) => editTarSplit(path, (lines) => [...lines, String(line)]),
  'patch-config': (path, from, to) => {
    const config = join(path, `=${Buffer.from(`sha256:${basename(path)}`).toString('base64')}`)
    writeFileSync(config, readFileSync(config, 'utf8').replace(String(from), String(to)))
  },
}

function mutate(root: string, { ops }: Mutation): void {
  for (const [operation, path, ...rest] of ops) operations[operation](join(root, String(path)), ...rest)
}

function ensureNothingRegistered(repository: Repository): void {
  const names = repository.streams.entries().map(({ name }) => name)
  assert.deepEqual(names, [])
  const { directory } = repository.objects
  const objects = existsSync(directory) ? readdirSync(directory) : []
  const temporary = objects.filter((name) => name.startsWith(TEMPORARY_PREFIX))
  assert.deepEqual(temporary, [])
}

async function failureOf(work: Promise<unknown>): Promise<SluiceError> {
  const error = await work.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof SluiceError, String(error))
  return error
}

async function importsAfterwards(t: TestContext, repository: Repository): Promise<void> {
  const expected = expectedImages('main-plain').get('hardlinks')!
  const result = await importImage(repository, unpackStore(t, 'main-plain'), image, { threads: 0 })
  assert.equal(result.images.get(1), expected.sha256.image_id_erofs)
  assert.equal(repository.streams.objectOf(streamName.config(expected.config_digest)), expected.sha256.config_stream)
}

describe('a damaged store', { skip }, () => {
  let cases: readonly Mutation[] = []
  before(() => {
    cases = readJsonVector<{ cases: Mutation[] }>('cstor', 'stores', 'mutations.json').cases
  })

  test('all cases of the vectors are known here', () => {
    assert.deepEqual(
      cases.map(({ name }) => name),
      Object.keys(verdicts),
    )
  })

  for (const [name, verdict] of Object.entries(verdicts)) {
    test(name, async (t) => {
      const root = unpackStore(t, 'main-plain')
      mutate(
        root,
        cases.find((mutation) => mutation.name === name)!,
      )
      const repository = await temporaryRepository(t)
      const work = importImage(repository, root, image, { threads: 0 })
      if (verdict === 'succeeds') await work
      else {
        const error = await failureOf(work)
        assert.match(error.message, verdict.says)
        if (verdict.reason !== undefined) assert.equal(error.details['reason'], verdict.reason)
        assert.ok(error.hint !== undefined, `${error.message} says not what to do`)
        ensureNothingRegistered(repository)
      }
      await importsAfterwards(t, repository)
    })
  }
})

/** Opens the image, and then lets `meanwhile` happen before it is imported. */
function importAfter(repository: Repository, root: string, meanwhile: () => void, options: Partial<PullOptions> = {}) {
  const storage = {
    env: { HOME: '/nonexistent' },
    home: '/nonexistent',
    etc: '/nonexistent',
    storage: { storageRoot: root },
  }
  const open = async () => {
    const source = await openImageSource(`containers-storage:${image}`, storage)
    meanwhile()
    return source
  }
  return pullOciImage(repository, open, { tag: 't', threads: 0, ...options })
}

describe('a store that changes during the import', { skip }, () => {
  const [layer] = skip === false ? expectedImages('main-plain').get('hardlinks')!.storage_layer_ids_base_to_top : ['']

  function forget(root: string): void {
    const records = join(root, 'overlay-layers/layers.json')
    const layers = JSON.parse(readFileSync(records, 'utf8')) as { id: string }[]
    writeFileSync(records, JSON.stringify(layers.filter(({ id }) => id !== layer)))
  }

  for (const [name, isForgotten, reason] of [
    ['a layer is removed', true, 'LAYER_VANISHED'],
    ['the files of a layer are lost', false, 'LAYER_DATA_MISSING'],
  ] as const) {
    test(name, async (t) => {
      const root = unpackStore(t, 'main-plain')
      const repository = await temporaryRepository(t)
      const work = importAfter(repository, root, () => {
        rmSync(join(root, 'overlay', layer), { recursive: true })
        if (isForgotten) forget(root)
      })
      const error = await failureOf(work)
      assert.equal(error.details['reason'], reason)
      assert.ok(error.message.includes(layer))
      ensureNothingRegistered(repository)
      await importsAfterwards(t, repository)
    })
  }

  test('the import is cancelled', async (t) => {
    const root = unpackStore(t, 'main-plain')
    const repository = await temporaryRepository(t)
    const controller = new AbortController()
    const events = pullOci(
      repository,
      () =>
        openImageSource(`containers-storage:localhost/basic`, {
          env: {},
          home: '/nonexistent',
          etc: '/nonexistent',
          storage: { storageRoot: root },
        }),
      {
        tag: 't',
        threads: 0,
        signal: controller.signal,
      },
    )
    const seen = new Promise((resolve, reject) =>
      events.subscribe({
        next: ({ type }) => type === 'progress' && controller.abort(),
        error: reject,
        complete: () => resolve(undefined),
      }),
    )
    assert.equal((await failureOf(seen)).code, 'SLUICE_CANCELLED')
    ensureNothingRegistered(repository)
  })
})

test('where blocks cannot be shared, nothing is copied against the wish of who pulls', { skip }, async (t) => {
  const root = unpackStore(t, 'main-plain')
  const repository = await temporaryRepository(t)
  if (probeDirectory(root).reflink) return t.skip('blocks can be shared here')
  const error = await failureOf(importImage(repository, root, image, { threads: 0, storage: { requireReflink: true } }))
  assert.equal(error.details['reason'], 'ZEROCOPY_IMPOSSIBLE')
  assert.match(
    error.message,
    /usr\/\w+ cannot be stored without copying it \(E\w+\): from \w+ to the repository on \w+/,
  )
  ensureNothingRegistered(repository)
})

describe('a storage that is trusted', { skip }, () => {
  const trusting = { threads: 0, storage: { trust: true } }

  test('needs the CRC-64 of every file', async (t) => {
    const root = unpackStore(t, 'main-plain')
    const [layer] = expectedImages('main-plain').get('hardlinks')!.storage_layer_ids_base_to_top
    mutate(root, { name: 'change', ops: [['patch', `overlay/${layer}/diff/usr/a`, 10, '58585858']] })
    const path = join(root, 'overlay-layers', `${layer}.tar-split.gz`)
    const lines = gunzipSync(readFileSync(path)).toString()
    writeFileSync(path, gzipSync(lines.replaceAll(/("size":\d+,"payload":)"[^"]+"/g, '$1null')))
    const repository = await temporaryRepository(t)
    const error = await failureOf(importImage(repository, root, image, trusting))
    assert.equal(error.details['reason'], 'TARSPLIT_CORRUPT')
    ensureNothingRegistered(repository)
  })

  test('may not leave out what it does not know the length of', async (t) => {
    const root = unpackStore(t, 'main-plain')
    const [layer] = expectedImages('main-plain').get('hardlinks')!.storage_layer_ids_base_to_top
    writeFileSync(join(root, 'overlay-layers', `${layer}.tar-split.gz`), gzipSync(''))
    const records = join(root, 'overlay-layers/layers.json')
    writeFileSync(records, readFileSync(records, 'utf8').replaceAll(/"diff-size":\d+/g, '"diff-size":-1'))
    const repository = await temporaryRepository(t)
    const error = await failureOf(importImage(repository, root, image, trusting))
    assert.equal(error.details['reason'], 'LAYER_DIGEST')
    ensureNothingRegistered(repository)
  })

  test('gives the same image', async (t) => {
    const repository = await temporaryRepository(t)
    const result = await importImage(repository, unpackStore(t, 'main-plain'), image, trusting)
    assert.equal(result.images.get(1), expectedImages('main-plain').get('hardlinks')!.sha256.image_id_erofs)
  })

  test('is not trusted with files that have changed', async (t) => {
    const root = unpackStore(t, 'main-plain')
    const [layer] = expectedImages('main-plain').get('hardlinks')!.storage_layer_ids_base_to_top
    mutate(root, { name: 'change', ops: [['patch', `overlay/${layer}/diff/usr/a`, 10, '58585858']] })
    const repository = await temporaryRepository(t)
    const error = await failureOf(importImage(repository, root, image, trusting))
    assert.equal(error.details['reason'], 'LAYER_DATA_CRC')
    assert.match(error.message, /usr\/a/)
    ensureNothingRegistered(repository)
  })
})

test(
  'hard links: the files of the store themselves, only where everybody may read them',
  { skip: skip || notRoot },
  async (t) => {
    const root = unpackStore(t, 'main-plain')
    const repository = await temporaryRepository(t)
    const options = { threads: 0, storage: { hardlinks: 'insecure' } } as const
    const { objects, images } = await importImage(repository, root, 'localhost/basic', options)
    assert.equal(images.get(1), expectedImages('main-plain').get('basic')!.sha256.image_id_erofs)
    if (probeDirectory(root).reflink) return
    assert.ok(objects.hardlinkedObjects > 0)
    const links = repository.objects
    const found = readdirSync(links.directory).flatMap((folder) =>
      readdirSync(join(links.directory, folder)).map((name) => statSync(join(links.directory, folder, name))),
    )
    const shared = found.filter(({ nlink }) => nlink > 1)
    assert.equal(shared.length, objects.hardlinkedObjects)
    for (const { mode } of shared) assert.equal(mode & 0o6026, 0o004)
  },
)

test('no hard link to a file that gives rights, or that others write to', { skip: notRoot }, async (t) => {
  const { path: folder, objects } = await temporaryRepository(t)
  if (probeDirectory(folder).reflink || !libcAvailable()) return t.skip('nothing is linked here')
  const path = join(folder, 'source')
  const setRight: [string, () => void][] = [
    ['nothing', () => undefined],
    ['group', () => chmodSync(path, 0o664)],
    ['others', () => chmodSync(path, 0o646)],
    ['set-gid', () => chmodSync(path, 0o2755)],
    ['secret', () => chmodSync(path, 0o640)],
    ['capability', () => writeXattr(path, 'security.capability', Buffer.from(CAP_NET_BIND, 'hex'))],
  ]
  const linked = setRight.flatMap(([name, set]) => {
    rmSync(path, { force: true })
    writeFileSync(path, 'x'.repeat(100), { mode: 0o644 })
    set()
    const fd = openSync(path, 'r')
    try {
      const policy = { required: false, hardlinks: 'insecure' } as const
      return new FileSharer(objects).share({ fd, size: 100, path }, policy) === undefined ? [] : [name]
    } finally {
      closeSync(fd)
    }
  })
  assert.deepEqual(linked, ['nothing'])
})

test('an object that was linked a moment ago is there, however old its file is', { skip: notRoot }, async (t) => {
  const repository = await temporaryRepository(t)
  if (probeDirectory(repository.path).reflink || !libcAvailable()) return t.skip('nothing is linked here')
  const store = new HandmadeStore(join(temporaryDirectory(t), 'root'))
  const content = 'x'.repeat(512)
  const file = (name: string): TarPart[] => [header({ name, size: 512 }).toString('latin1'), { name, content }]
  const ends = [directory('usr/'), endMarker].map((bytes) => bytes.toString('latin1'))
  const parts = [ends[0], ...file('usr/a'), ...file('usr/b'), ends[1]]
  const [id, layer] = [storageId('image'), storageId('layer')]
  store.write([{ id: layer, parts }], [{ id, names: ['a:b'], layer, diffIds: [diffIdOf(parts)] }])
  for (const name of ['usr/a', 'usr/b']) {
    chmodSync(join(store.layerDirectory(layer), name), 0o644)
    utimesSync(join(store.layerDirectory(layer), name), 1000, 1000)
  }
  const options = { threads: 0, storage: { hardlinks: 'insecure' } } as const
  const { objects } = await importImage(repository, store.root, 'a:b', options)
  assert.deepEqual([objects.hardlinkedObjects, objects.newObjects, objects.presentObjects], [1, 1, 1])
})

/** As `setcap cap_net_bind_service=ep` writes it. */
const CAP_NET_BIND = '0100000200040000000000000000000000000000'
