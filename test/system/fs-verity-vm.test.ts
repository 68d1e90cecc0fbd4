/**
 * fs-verity as it really is: a virtual machine with a kernel and a disk that have it. Sluice makes a secure repository and
 * mounts an image; then a bit changes on the disk, and objects are exchanged. The reference tool looks at every stage.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { objectPath, type ObjectId } from '../../src/formats/digest.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import { writeLayout } from '../helpers/layout-images.js'
import { layerTar } from '../helpers/pull.js'
import { noise } from '../helpers/registry-images.js'
import { type RunResult, scratchFolder } from '../helpers/system-run.js'
import { inVm, missingForVm, type Vm } from '../helpers/vm.js'
import { writeDisk, writeInitramfs, writeRootDisk } from '../helpers/vm-disks.js'
import { fetchKernel } from '../helpers/vm-kernel.js'

const TIME_LIMIT_MS = 300_000
const DAMAGE = 5
const BLOCK = 4096

const sluice = ['node', '/sluice/bin/sluice.js'] as const
const repository = '/repository/store'
const mountPoint = '/mounted'

/** A file of the image; those of up to 64 bytes have no object. */
class File {
  readonly content: Buffer
  readonly path: string
  readonly id: ObjectId

  constructor(index: number, size: number) {
    this.content = Buffer.from(noise(size, `app${index}`))
    this.path = `${mountPoint}/usr/app/${index}`
    this.id = verityDigest('sha512', this.content)
  }

  /** A line of sha256sum. */
  get checksum(): string {
    return `${sha256(this.content)}  ${this.path}`
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const sizes = [64, 5000, 6000, 300_000]
const appLayer = layerTar('app', sizes)
/** Has the first two files, too. */
const secondLayer = layerTar('app', sizes.slice(0, 2))
const files = sizes.map((size, i) => new File(i, size))
const [, small, other, large] = files

const ioError = /Input\/output error|I\/O error/
const blockOf = ({ content }: File, at: number): Buffer => content.subarray(at * BLOCK, (at + 1) * BLOCK)
const objectFile = (id: ObjectId): string => `${repository}/objects/${objectPath(id)}`

/** The tools in the machine. */
class Guest {
  constructor(
    readonly vm: Vm,
    readonly disk: string,
  ) {}

  sluice(...args: string[]): Promise<RunResult> {
    return this.vm.run(...sluice, '--repo', repository, ...args)
  }

  sluiceOk(...args: string[]): Promise<string> {
    return this.vm.ok(...sluice, '--repo', repository, ...args)
  }

  async refuses(reason: string, ...args: string[]): Promise<void> {
    const { status, stderr } = await this.sluice(...args)
    assert.ok(stderr.includes(reason), `${args.join(' ')}: ${stderr}`)
    assert.equal(status, DAMAGE, `${args.join(' ')}: ${stderr}`)
  }

  busybox(...args: string[]): Promise<string> {
    return this.vm.busybox(...args)
  }

  checksums(...of: readonly File[]): Promise<RunResult> {
    return this.vm.run('/bin/busybox', 'sha256sum', ...of.map(({ path }) => path))
  }

  mountDisk(): Promise<string> {
    return this.busybox('mount', '/dev/vdb', '/repository')
  }

  async mountImage(): Promise<void> {
    await this.sluiceOk('oci', 'mount', 'app', mountPoint)
  }

  async unmount(path: string): Promise<void> {
    await this.busybox('umount', path)
  }

  /** What Sluice finds wrong: all that the reference finds, and what it does not look for. */
  async check(): Promise<string[]> {
    const ours = await this.sluice('fsck')
    const theirs = await this.vm.run('cfsctl', '--repo', repository, 'fsck')
    const [found, known] = [ours, theirs].map(damageOf)
    for (const damage of known) assert.ok(found.includes(damage), `${damage} is not in: ${found.join(', ')}`)
    assert.equal(ours.status, found.length > 0 ? DAMAGE : 0, ours.stderr)
    assert.equal(theirs.status, known.length > 0 ? 1 : 0, theirs.stderr)
    return found
  }
}

/** The errors of a check, without details: `problem: path`, sorted. */
function damageOf({ stdout }: RunResult): string[] {
  return [...stdout.toString().matchAll(/^ {2}- fsck: ([^:]+: \S+?)(?::? |$)/gm)].map(([, damage]) => damage).sort()
}

async function pullsIntoSecureRepository(guest: Guest): Promise<void> {
  await guest.mountDisk()
  assert.match(await guest.sluiceOk('init'), /verity: {4}required/)
  await guest.sluiceOk('--require-verity', 'pull', 'oci:/extra:app', 'app')
  // In a secure repository an object without fs-verity, or with another digest, is an error of either tool.
  assert.deepEqual(await guest.check(), [])
}

async function mountsAndReads(guest: Guest): Promise<void> {
  await guest.mountImage()
  const table = await guest.busybox('cat', '/proc/mounts')
  assert.match(table, new RegExp(`^\\S+ ${mountPoint} overlay ro,\\S*verity=require`, 'm'))
  const { stdout } = await guest.checksums(...files)
  assert.equal(stdout.toString(), files.map(({ checksum }) => `${checksum}\n`).join(''))
  await guest.unmount(mountPoint)
}

async function noticesFlippedBit(guest: Guest): Promise<void> {
  const flipped = Buffer.from(blockOf(large, 50))
  flipped[1000] ^= 1
  await changeDisk(guest, blockOf(large, 50), flipped)
  await guest.mountImage()
  const readBlock = (at: number) =>
    guest.vm.run('/bin/busybox', 'dd', `if=${large.path}`, `bs=${BLOCK}`, `skip=${at}`, 'count=1', 'status=none')
  const changed = await readBlock(50)
  assert.match(changed.stderr, ioError)
  assert.equal(changed.stdout.length, 0)
  assert.deepEqual((await readBlock(49)).stdout, blockOf(large, 49), 'the block before it is as it was')
  await guest.unmount(mountPoint)
  assert.deepEqual(await guest.check(), [`object-verity-failed: objects/${objectPath(large.id)}`])
  await changeDisk(guest, flipped, blockOf(large, 50))
}

/** Writes to the disk, from outside and while it is not mounted, where it holds `old`. */
async function changeDisk(guest: Guest, old: Buffer, changed: Buffer): Promise<void> {
  await guest.unmount('/repository')
  const bytes = readFileSync(guest.disk)
  const at = bytes.indexOf(old)
  assert.ok(at >= 0 && bytes.indexOf(old, at + 1) < 0, 'the disk holds the block, once')
  const fd = openSync(guest.disk, 'r+')
  writeSync(fd, changed, 0, changed.length, at)
  closeSync(fd)
  await guest.mountDisk()
}

/** Files: one with the right content and no fs-verity, and one with fs-verity and the content of another. */
async function refusesExchangedFiles(guest: Guest): Promise<void> {
  await loseVerity(guest, objectFile(small.id))
  await guest.busybox('ln', '-f', objectFile(large.id), objectFile(other.id))
  await guest.mountImage()
  for (const file of [small, other]) {
    const { stderr, stdout } = await guest.checksums(file)
    assert.match(stderr, ioError)
    assert.equal(stdout.length, 0)
  }
  assert.equal((await guest.checksums(large)).stdout.toString(), `${large.checksum}\n`)
  await guest.unmount(mountPoint)
  await guest.refuses(`object ${small.id} has no fs-verity`, 'pull', 'oci:/extra:second', 'second')
}

/** An image and a splitstream, with the right content and no fs-verity. */
async function refusesExchangedDocuments(guest: Guest): Promise<void> {
  const image = (await guest.busybox('ls', `${repository}/images`)) as ObjectId
  const layer = `oci-layer-sha256:${sha256(appLayer)}`
  const link = await guest.busybox('readlink', `${repository}/streams/${layer}`)
  const splitstream = link.split('/').slice(-2).join('') as ObjectId
  for (const id of [image, splitstream]) await loseVerity(guest, objectFile(id))
  await guest.refuses(`object ${image} has no fs-verity`, 'oci', 'mount', 'app', mountPoint)
  await guest.refuses(`object ${splitstream} has no fs-verity`, 'cat', layer)
  const expected = [
    ...[small.id, image, splitstream].map((id) => `object-verity-missing: objects/${objectPath(id)}`),
    `object-digest-mismatch: objects/${objectPath(other.id)}`,
    `image-open-failed: images/${image}`,
    `stream-open-failed: streams/${layer}`,
  ]
  assert.deepEqual(await guest.check(), expected.sort())
}

/** What makes the repository a secure one is the fs-verity of its metadata. */
async function tellsThatMetadataLostVerity(guest: Guest): Promise<void> {
  await loseVerity(guest, `${repository}/meta.json`)
  for (const tool of [sluice, ['cfsctl']]) {
    const { status, stderr } = await guest.vm.run(...tool, '--repo', repository, '--require-verity', 'images')
    assert.match(stderr, /verity/)
    assert.notEqual(status, 0)
  }
}

async function loseVerity(guest: Guest, path: string): Promise<void> {
  await guest.busybox('cp', path, '/tmp/copy')
  await guest.busybox('mv', '/tmp/copy', path)
}

const skip = missingForVm()

test('a secure repository on a disk that changes behind its back', { skip }, async (t) => {
  const kernel = await fetchKernel()
  if (typeof kernel === 'string') return t.skip(kernel)
  const folder = scratchFolder('fs-verity')
  const layout = join(folder, 'layout')
  writeLayout(
    layout,
    new Map([
      ['app', [appLayer]],
      ['second', [secondLayer]],
    ]),
  )
  const initramfs = await writeInitramfs(folder, kernel)
  const rootDisk = await writeRootDisk(folder, layout)
  const disk = join(folder, 'disk.img')
  const options = { kernel, initramfs, rootDisk, folder, timeLimit: TIME_LIMIT_MS }
  const makeDisks = async () => [await writeDisk(disk, '64M')]
  await inVm(t, options, makeDisks, async (vm) => {
    const guest = new Guest(vm, disk)
    await pullsIntoSecureRepository(guest)
    await mountsAndReads(guest)
    await noticesFlippedBit(guest)
    await refusesExchangedFiles(guest)
    await refusesExchangedDocuments(guest)
    await tellsThatMetadataLostVerity(guest)
  })
})
