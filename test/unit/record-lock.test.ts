/** Record locks of a store, against another process with the classic kind, which is podman's. */
import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.js'
import { libcAvailable } from '../../src/native/libc.js'
import { recordLock, tryRecordLock } from '../../src/native/record-lock.js'
import { openStorageImage } from '../../src/stages/containers-storage/open-storage-image.js'
import { lockStore, type StoreLockFile } from '../../src/stages/containers-storage/store-lock.js'
import { bareEnvironment } from '../helpers/storage.js'
import { diffIdOf, HandmadeStore, storageId } from '../helpers/storage-store.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const hasPython = spawnSync('python3', ['--version']).status === 0
const needsPeer = {
  skip:
    (!libcAvailable() && 'there is no native code here, or SLUICE_NATIVE=off') ||
    (!hasPython && 'there is no python3, which takes the other locks'),
}

const program = `
import fcntl, sys
file = open(sys.argv[1], 'r+')
for line in sys.stdin:
    try:
        mode = {'exclusive': fcntl.LOCK_EX, 'shared': fcntl.LOCK_SH, 'unlock': fcntl.LOCK_UN}[line.strip()]
        fcntl.lockf(file, mode | (0 if mode == fcntl.LOCK_UN else fcntl.LOCK_NB))
        print('done', flush=True)
    except OSError:
        print('busy', flush=True)
`

/** Another process that locks a file as the Go library does, and says whether it could. */
function peerOf(t: TestContext, path: string): (what: 'exclusive' | 'shared' | 'unlock') => Promise<string> {
  const child = spawn('python3', ['-c', program, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill())
  // By lines: an answer may come in two pieces.
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async (what) => {
    child.stdin.write(`${what}\n`)
    const { value } = await answers.next()
    return String(value)
  }
}

function lockFile(t: TestContext): string {
  const path = join(temporaryDirectory(t), 'layers.lock')
  writeFileSync(path, 'token')
  return path
}

function open(t: TestContext, path: string): number {
  const fd = openSync(path, 'r')
  t.after(() => closeSync(fd))
  return fd
}

test('a writer and a reader exclude each other; readers do not', needsPeer, async (t) => {
  const path = lockFile(t)
  const peer = peerOf(t, path)
  const fd = openSync(path, 'r')
  assert.equal(await peer('exclusive'), 'done')
  assert.equal(tryRecordLock(fd), 'busy')
  assert.equal(await peer('shared'), 'done')
  assert.equal(tryRecordLock(fd), 'locked')
  assert.equal(await peer('exclusive'), 'busy')
  // A classic lock of this process would be gone now.
  assert.equal(readFileSync(path, 'utf8'), 'token')
  assert.equal(await peer('exclusive'), 'busy')
  closeSync(fd)
  assert.equal(await peer('exclusive'), 'done')
})

test('waits until the writer has ended, or the time is over, or it is cancelled', needsPeer, async (t) => {
  const path = lockFile(t)
  const peer = peerOf(t, path)
  const fd = open(t, path)
  assert.equal(await peer('exclusive'), 'done')
  assert.equal(await recordLock(fd, { timeoutMs: 60 }), 'busy')
  const controller = new AbortController()
  const cancelled = recordLock(fd, { timeoutMs: 60_000, signal: controller.signal })
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(cancelled, { code: 'SLUICE_CANCELLED' })
  const waiting = recordLock(fd, { timeoutMs: 60_000 })
  await sleep(60)
  assert.equal(await peer('unlock'), 'done')
  assert.equal(await waiting, 'locked')
})

test('a locked store: what is locked is told, and nothing stays locked', needsPeer, async (t) => {
  const directory = temporaryDirectory(t)
  const directoryFd = open(t, directory)
  const file = (name: string): StoreLockFile => ({ directory: directoryFd, name, path: `/store/${name}` })
  const files = [file('layers.lock'), file('images.lock')]
  writeFileSync(join(directory, 'layers.lock'), '')
  writeFileSync(join(directory, 'images.lock'), '')
  const [layers, images] = [peerOf(t, join(directory, 'layers.lock')), peerOf(t, join(directory, 'images.lock'))]
  assert.equal(await images('exclusive'), 'done')
  const waitedFor: string[] = []
  await assert.rejects(
    lockStore(files, { timeoutMs: 120, onWait: (path) => waitedFor.push(path) }),
    (error) =>
      error instanceof SluiceError &&
      error.details['reason'] === 'STORE_LOCKED' &&
      error.retryable &&
      error.message.includes('/store/images.lock is locked by another process'),
  )
  assert.deepEqual(waitedFor, ['/store/images.lock'])
  assert.equal(await layers('exclusive'), 'done', 'the first lock is given up with the second')
  await layers('unlock')
  await images('unlock')
  const lock = await lockStore(files)
  assert.equal(await layers('exclusive'), 'busy')
  assert.equal(await images('exclusive'), 'busy')
  lock.release()
  assert.equal(await layers('exclusive'), 'done')
  assert.equal(await images('exclusive'), 'done')
})

test('lock files are made where there are none', needsPeer, async (t) => {
  const directory = temporaryDirectory(t)
  const lock = await lockStore([{ directory: open(t, directory), name: 'layers.lock', path: 'x' }])
  assert.ok(existsSync(join(directory, 'layers.lock')))
  assert.equal(await peerOf(t, join(directory, 'layers.lock'))('exclusive'), 'busy')
  lock.release()
})

test(
  'root makes no lock files in the store of somebody else, and locks those that are there',
  { skip: needsPeer.skip || (process.getuid?.() !== 0 && 'root is needed') },
  async (t) => {
    const directory = temporaryDirectory(t)
    chownSync(directory, 1000, 1000)
    const files = ['layers.lock', 'images.lock'].map((name) => ({ directory: open(t, directory), name, path: name }))
    const none = await lockStore(files)
    none.release()
    assert.deepEqual(readdirSync(directory), [])
    writeFileSync(join(directory, 'images.lock'), '')
    const lock = await lockStore(files)
    assert.equal(await peerOf(t, join(directory, 'images.lock'))('exclusive'), 'busy')
    lock.release()
  },
)

test(
  'what is missing is told without the lock, if that cannot be had, and is not waited for by who gives up',
  needsPeer,
  async (t) => {
    const store = new HandmadeStore(join(temporaryDirectory(t), 'root'))
    const parts = ['header', { name: 'usr/a', content: 'data' }]
    const id = storageId('layer')
    store.write([{ id, parts }], [{ id: storageId('image'), names: ['a:b'], layer: id, diffIds: [diffIdOf(parts)] }])
    const image = await openStorageImage('a:b', { storageRoot: store.root, env: bareEnvironment(store.root) })
    t.after(() => image.close())
    rmSync(store.layerDirectory(id), { recursive: true })
    const lock = join(store.root, 'overlay-layers/layers.lock')
    const peer = peerOf(t, lock)
    assert.equal(await peer('exclusive'), 'done')
    const read = async (signal: AbortSignal): Promise<void> => {
      for await (const { file } of image.layers[0].pieces({ signal })) assert.equal(file, undefined)
    }
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 100)
    const begun = performance.now()
    await assert.rejects(read(controller.signal), { code: 'SLUICE_CANCELLED' })
    assert.ok(performance.now() - begun < 10_000)
    rmSync(lock)
    symlinkSync('nowhere', lock)
    await assert.rejects(read(new AbortController().signal), /the data of usr\/a is missing/)
  },
)

test('an image is opened under the locks of its store, which are given up or kept', needsPeer, async (t) => {
  const store = new HandmadeStore(join(temporaryDirectory(t), 'root'))
  const parts = ['header', { name: 'usr/a', content: 'data' }]
  const id = storageId('layer')
  store.write([{ id, parts }], [{ id: storageId('image'), names: ['a:b'], layer: id, diffIds: [diffIdOf(parts)] }])
  const path = join(store.root, 'overlay-layers/layers.lock')
  writeFileSync(path, '')
  const peer = peerOf(t, path)
  const options = { storageRoot: store.root, env: bareEnvironment(store.root) }

  assert.equal(await peer('exclusive'), 'done')
  let opened = false
  const opening = openStorageImage('a:b', options).then((image) => {
    opened = true
    return image
  })
  await sleep(80)
  assert.equal(opened, false)
  await peer('unlock')
  const image = await opening
  assert.equal(await peer('exclusive'), 'done', 'held only while it is opened')
  await peer('unlock')
  image.close()

  const holding = await openStorageImage('a:b', { ...options, holdLock: true })
  assert.equal(await peer('exclusive'), 'busy')
  assert.equal(await holding.layers[0].isVanished(), false)
  assert.equal(await peer('exclusive'), 'busy', 'looking once more does not give up what is held')
  holding.close()
  assert.equal(await peer('exclusive'), 'done')
})
