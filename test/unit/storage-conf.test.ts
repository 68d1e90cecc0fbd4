/** storage.conf: which files count, in which order, and where stores are looked for. */
import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emptyStorageConf, type StorageConf } from '../../src/formats/cstor/storage-conf.js'
import { parseStoreOptions } from '../../src/formats/cstor/store-options.js'
import { parseStoreReference } from '../../src/formats/cstor/store-reference.js'
import {
  loadStorageConf,
  storagePlaces,
  type StoragePlaces,
} from '../../src/stages/containers-storage/load-storage-conf.js'
import { storeCandidates, type NamedStores } from '../../src/stages/containers-storage/store-candidates.js'
import { temporaryDirectory } from '../helpers/temporary.js'

/** A host with these files; `usr`, `etc` and `home` are its folders of configuration. */
function host(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  { uid = 1000, env = {} }: { uid?: number; env?: Record<string, string> } = {},
): StoragePlaces & { readonly root: string } {
  const root = temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return { root, env, home: join(root, 'home'), uid, system: [join(root, 'usr'), join(root, 'etc')] }
}

const user = 'home/.config/containers'
const graphroot = (path: string): string => `[storage]\ngraphroot = "${path}"\n`
const stores = (list: string): string => `[storage.options]\nadditionalimagestores = [${list}]\n`

test('the first main file counts, alone', async (t) => {
  const files = {
    'usr/storage.conf': '[storage]\ngraphroot = "/usr-root"\ndriver = "vfs"\n',
    'etc/storage.conf': graphroot('/etc-root'),
    [`${user}/storage.conf`]: graphroot('/home-root'),
  }
  const load = async (names: readonly string[]): Promise<StorageConf> =>
    loadStorageConf(host(t, Object.fromEntries(Object.entries(files).filter(([name]) => names.includes(name)))))
  assert.equal((await load(Object.keys(files))).graphroot, '/home-root')
  assert.equal((await load(Object.keys(files))).driver, undefined)
  assert.equal((await load(['usr/storage.conf', 'etc/storage.conf'])).graphroot, '/etc-root')
  assert.deepEqual(await load(['usr/storage.conf']), { ...emptyStorageConf, graphroot: '/usr-root', driver: 'vfs' })
  assert.deepEqual(await load([]), emptyStorageConf)
})

test('XDG_CONFIG_HOME takes the place of ~/.config', async (t) => {
  const places = host(t, {
    'xdg/containers/storage.conf': graphroot('/xdg'),
    [`${user}/storage.conf`]: graphroot('/home'),
  })
  const conf = await loadStorageConf({ ...places, env: { XDG_CONFIG_HOME: join(places.root, 'xdg') } })
  assert.equal(conf.graphroot, '/xdg')
})

test('drop-ins override key by key, in the order of their names', async (t) => {
  const files = {
    'etc/storage.conf': `${graphroot('/main')}driver = "overlay2"\n`,
    'usr/storage.conf.d/10.conf': graphroot('/usr-10'),
    'usr/storage.conf.d/30.conf': graphroot('/usr-30'),
    'etc/storage.conf.d/30.conf': stores('"/etc-30"'),
    'etc/storage.conf.d/20.conf': graphroot('/etc-20'),
    'etc/storage.conf.d/90.txt': graphroot('/no-conf'),
    'etc/storage.rootful.conf.d/40.conf': graphroot('/rootful'),
    'etc/storage.rootless.conf.d/40.conf': graphroot('/rootless'),
    'etc/storage.rootless.conf.d/1000/50.conf': graphroot('/uid-1000'),
    'etc/storage.rootless.conf.d/1001/50.conf': graphroot('/uid-1001'),
  }
  assert.deepEqual(await loadStorageConf(host(t, files)), {
    ...emptyStorageConf,
    driver: 'overlay',
    graphroot: '/uid-1000',
    additionalImageStores: ['/etc-30'],
  })
  assert.equal((await loadStorageConf(host(t, files, { uid: 0 }))).graphroot, '/rootful')
  assert.equal((await loadStorageConf(host(t, files, { uid: 7 }))).graphroot, '/rootless')
  const own = { ...files, [`${user}/storage.conf.d/50.conf`]: graphroot('/own') }
  assert.equal((await loadStorageConf(host(t, own))).graphroot, '/own')
})

test('a main file may be a link that leads to a file; a drop-in is a file', async (t) => {
  const places = host(t, {
    'elsewhere.conf': graphroot('/elsewhere'),
    'usr/storage.conf': graphroot('/usr'),
    'etc/storage.conf.d/1.conf/file': '',
  })
  const main = join(places.root, 'etc/storage.conf')
  symlinkSync('nowhere', main)
  symlinkSync('nowhere', join(places.root, 'etc/storage.conf.d/2.conf'))
  symlinkSync('../../elsewhere.conf', join(places.root, 'etc/storage.conf.d/3.conf'))
  assert.equal((await loadStorageConf(places)).graphroot, '/usr')
  rmSync(main)
  symlinkSync('../elsewhere.conf', main)
  assert.equal((await loadStorageConf(places)).graphroot, '/elsewhere')
})

test('a stated file is the only one, but for the override', async (t) => {
  const files = {
    'stated.conf': graphroot('/stated'),
    'override.conf': stores('"/more"'),
    'etc/storage.conf': graphroot('/etc'),
    'etc/storage.conf.d/1.conf': graphroot('/drop-in'),
  }
  const places = host(t, files)
  const env = { CONTAINERS_STORAGE_CONF: join(places.root, 'stated.conf') }
  assert.equal((await loadStorageConf({ ...places, env })).graphroot, '/stated')
  const both = { ...env, CONTAINERS_STORAGE_CONF_OVERRIDE: join(places.root, 'override.conf') }
  assert.deepEqual(await loadStorageConf({ ...places, env: both }), {
    ...emptyStorageConf,
    graphroot: '/stated',
    additionalImageStores: ['/more'],
  })
  await assert.rejects(loadStorageConf({ ...places, env: { CONTAINERS_STORAGE_CONF: '/no/such/file' } }), {
    code: 'SLUICE_CONFIG',
    hint: /variable CONTAINERS_STORAGE_CONF names/,
  })
})

test('a list of stores replaces the earlier one, or joins it', async (t) => {
  const load = async (list: string): Promise<readonly string[]> => {
    const places = host(t, { 'etc/storage.conf': stores('"/a", "/b"'), 'etc/storage.conf.d/1.conf': stores(list) })
    return (await loadStorageConf(places)).additionalImageStores
  }
  assert.deepEqual(await load('"/c"'), ['/c'])
  assert.deepEqual(await load('"/c", {append=true}'), ['/a', '/b', '/c'])
  assert.deepEqual(await load('{append=true}'), ['/a', '/b'])
  assert.deepEqual(await load('"/c", {append=false}'), ['/c'])
  assert.deepEqual(await load(''), [])
  await assert.rejects(load('3'), { code: 'SLUICE_CONFIG' })
})

test('keys in any case, several stores in one member, and numbers of any size', async (t) => {
  const text = `[Storage]
    GraphRoot = "/graph"
    [Storage.Options]
    additionalImageStores = ["/a,/b", "/c", {Append = false}]
    number = 9223372036854775807
  `
  assert.deepEqual(await loadStorageConf(host(t, { 'etc/storage.conf': text })), {
    ...emptyStorageConf,
    graphroot: '/graph',
    additionalImageStores: ['/a', '/b', '/c'],
  })
  const both = host(t, { 'etc/storage.conf': '[storage]\nGRAPHROOT = "/upper"\ngraphroot = "/lower"\n' })
  assert.equal((await loadStorageConf(both)).graphroot, '/lower')
})

test('files that say something unusable are named', async (t) => {
  for (const text of ['[storage', '[storage]\ngraphroot = 3', 'storage = 3', '[storage]\noptions = "x"']) {
    const places = host(t, { 'etc/storage.conf': text })
    await assert.rejects(loadStorageConf(places), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SLUICE_CONFIG')
      assert.ok(error.message.includes(join(places.root, 'etc/storage.conf')), error.message)
      return true
    })
  }
})

test('inside of podman unshare, the outer uid counts', () => {
  assert.equal(storagePlaces({ _CONTAINERS_ROOTLESS_UID: '1234', HOME: '/h' }).uid, 1234)
  assert.equal(storagePlaces({ HOME: '/h' }).uid, process.getuid?.())
})

function candidates(
  { env = {}, uid = 1000 }: { env?: Record<string, string>; uid?: number },
  conf: Partial<StorageConf> = {},
  named: NamedStores = {},
): string[] {
  const places = { env, uid, home: '/no/home', system: [] }
  return storeCandidates(named, { ...emptyStorageConf, ...conf }, places).map(({ path }) => path)
}

const home = '/no/home/.local/share/containers/storage'
const system = '/var/lib/containers/storage'

test('stores are looked for in order', () => {
  assert.deepEqual(candidates({}), [home, system])
  assert.deepEqual(candidates({ env: { XDG_DATA_HOME: '/no/data' } }), ['/no/data/containers/storage', home, system])
  assert.deepEqual(
    candidates(
      {
        env: {
          CONTAINERS_STORAGE_ROOT: '/no/variable',
          CONTAINERS_GRAPHROOT: '/no/unshare',
          _CONTAINERS_USERNS_CONFIGURED: 'done',
        },
      },
      { graphroot: '/no/conf', imageStore: '/no/images', additionalImageStores: ['/no/more'] },
      { additionalStores: ['/no/option'] },
    ),
    ['/no/variable', '/no/unshare', '/no/conf', home, system, '/no/option', '/no/more', '/no/images'],
  )
  assert.deepEqual(candidates({ env: { CONTAINERS_GRAPHROOT: '/no/unshare' } }), [home, system])
  const named = { storageRoot: '/no/root', additionalStores: ['/no/root', '/no/other'] }
  assert.deepEqual(candidates({}, { graphroot: '/no/conf' }, named), ['/no/root', '/no/other'])
})

test('a store that is named has a name', () => {
  assert.throws(() => candidates({}, {}, { storageRoot: '' }), { code: 'SLUICE_USAGE' })
  assert.throws(() => candidates({}, {}, { additionalStores: ['/no/other', ''] }), { code: 'SLUICE_USAGE' })
})

test('paths of the configuration may have variables; graphroot comes before rootless_storage_path', () => {
  const env = { USER: 'someone' }
  const rootlessStoragePath = '/no/$UID/${USER}/$NONE/x'
  assert.equal(candidates({ env }, { rootlessStoragePath })[0], '/no/1000/someone//x')
  const both = { rootlessStoragePath, graphroot: '/no/g' }
  assert.deepEqual(candidates({ env }, both), ['/no/g', '/no/1000/someone//x', home, system])
  assert.deepEqual(candidates({ env, uid: 0 }, both), ['/no/g', home, system])
  assert.equal(candidates({ env, uid: 0 }, { rootlessStoragePath })[0], home)
})

test('STORAGE_OPTS takes the place of the options of files', () => {
  const env = {
    STORAGE_OPTS:
      'overlay.imagestore=/no/i,additionalimagestore=/no/a,overlay.mountopt=x,vfs.additionalimagestore=/no/b',
  }
  const conf = { additionalImageStores: ['/no/conf'], imageStore: '/no/conf2' }
  assert.deepEqual(candidates({ env }, conf).slice(2), ['/no/a', '/no/b', '/no/i', '/no/conf2'])
  assert.deepEqual(
    parseStoreOptions('.imagestore=/a, Overlay.ImageStore = /b ,overlay2.imagestore=/c,x.imagestore=/d'),
    {
      imageStores: ['/a', '/b', '/c'],
      additionalImageStores: [],
    },
  )
  assert.deepEqual(parseStoreOptions(''), { imageStores: [], additionalImageStores: [] })
})

test('drivers: the stated one, then overlay, then vfs', () => {
  const drivers = (env: Record<string, string>, driver?: string): readonly string[] =>
    storeCandidates({}, { ...emptyStorageConf, driver }, { env, uid: 0, home: '/no/home', system: [] })[0].drivers
  assert.deepEqual(drivers({}), ['overlay', 'vfs'])
  assert.deepEqual(drivers({}, 'vfs'), ['vfs', 'overlay'])
  assert.deepEqual(drivers({ STORAGE_DRIVER: 'overlay2' }, 'vfs'), ['overlay', 'vfs'])
})

test('the store part of a reference', () => {
  const none = { imageStores: [], additionalImageStores: [] }
  assert.deepEqual(parseStoreReference('name:tag'), { store: undefined, image: 'name:tag' })
  assert.deepEqual(parseStoreReference('[/g]name'), {
    store: { driver: undefined, graphroot: '/g', options: none },
    image: 'name',
  })
  assert.deepEqual(parseStoreReference('[vfs@/g+/r:imagestore=/i,vfs.additionalimagestore=/a]x@y'), {
    store: { driver: 'vfs', graphroot: '/g', options: { imageStores: ['/i'], additionalImageStores: ['/a'] } },
    image: 'x@y',
  })
  for (const text of ['[', '[]x', '[relative]x', '[overlay@]x', '[/g', '[overlay@g+/r]x']) {
    assert.throws(() => parseStoreReference(text), { code: 'SLUICE_USAGE' }, text)
  }
})
