/**
 * Imports from a containers-storage into secure repositories, in a virtual machine whose kernel and disks have fs-verity:
 * clones on btrfs, and on ext4 the files of the storage themselves, sealed.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Store } from '../helpers/made-storage.js'
import { noise } from '../helpers/registry-images.js'
import { OciLayout, rawTar, skopeoCopy } from '../helpers/system-images.js'
import { scratchFolder, ToolRepository } from '../helpers/system-run.js'
import { inVm, missingForVm, type Vm } from '../helpers/vm.js'
import { writeBtrfsDisk, writeDisk, writeInitramfs, writeRootDisk } from '../helpers/vm-disks.js'
import { fetchKernel } from '../helpers/vm-kernel.js'

const TIME_LIMIT_MS = 300_000
const image = 'localhost/app:t'

const files = [
  { name: 'usr/plain', content: Buffer.from(noise(5000, 'plain')) },
  { name: 'usr/large', content: Buffer.from(noise(3_000_000, 'large')) },
  // These stay out of a repository that everybody reads, and whose programs give nobody rights.
  { name: 'usr/secret', content: Buffer.from(noise(6000, 'secret')), mode: 0o600 },
  { name: 'usr/su', content: Buffer.from(noise(7000, 'su')), mode: 0o4755 },
]

/** A secure repository beside a copy of the storage, on one disk of the machine. */
class Place {
  readonly storage: string
  readonly repository: string
  private readonly vm: Vm
  private readonly mountPoint: string

  constructor(vm: Vm, mountPoint: string) {
    this.vm = vm
    this.mountPoint = mountPoint
    this.storage = `${mountPoint}/storage`
    this.repository = `${mountPoint}/repository`
  }

  async prepare(device: string, fileSystem: string): Promise<void> {
    await this.busybox('mkdir', '-p', this.mountPoint)
    await this.busybox('mount', '-t', fileSystem, device, this.mountPoint)
    await this.busybox('cp', '-a', '/extra', this.storage)
    assert.match(await this.sluice('init'), /verity: {4}required/)
  }

  busybox(...args: string[]): Promise<string> {
    return this.vm.busybox(...args)
  }

  sluice(...args: string[]): Promise<string> {
    return this.vm.ok('node', '/sluice/bin/sluice.js', '--repo', this.repository, ...args)
  }

  /** What a pull prints. */
  pull(option: string): Promise<string> {
    const storage = ['--storage-root', this.storage]
    return this.sluice('--require-verity', 'pull', ...storage, option, `containers-storage:${image}`, 't')
  }

  /** The file of the storage that has the content of `name`. */
  stored(name: string): Promise<string> {
    return this.busybox('find', this.storage, '-path', `*/diff/${name}`)
  }

  write(path: string): ReturnType<Vm['run']> {
    return this.vm.run('/bin/busybox', 'dd', 'if=/dev/zero', `of=${path}`, 'bs=1', 'count=1', 'conv=notrunc')
  }

  /** In a secure repository an object without fs-verity, or with another digest, is an error of either tool. */
  async ensureWhole(imageId: string): Promise<void> {
    assert.equal(await this.sluice('oci', 'compute-id', 't'), imageId)
    await this.sluice('fsck')
    await this.vm.ok('cfsctl', '--repo', this.repository, 'fsck')
    await this.sluice('oci', 'mount', 't', '/mounted')
    for (const { name, content } of files) {
      const { stdout } = await this.vm.run('/bin/busybox', 'cat', `/mounted/${name}`)
      assert.deepEqual(stdout, content, name)
    }
    await this.busybox('umount', '/mounted')
  }
}

async function clonesOnBtrfs(vm: Vm, imageId: string): Promise<void> {
  const place = new Place(vm, '/tmp/btrfs')
  await place.prepare('/dev/vdb', 'btrfs')
  assert.match(await place.pull('--require-reflink'), /^objects +4 reflinked \+ 0 copied/m)
  await place.ensureWhole(imageId)
  // A clone is sealed, the file that it was made from is not.
  const { status } = await place.write(await place.stored('usr/plain'))
  assert.equal(status, 0)
  await place.ensureWhole(imageId)
}

async function linksOnExt4(vm: Vm, imageId: string): Promise<void> {
  const place = new Place(vm, '/tmp/ext4')
  await place.prepare('/dev/vdc', 'ext4')
  assert.match(await place.pull('--hardlink'), /^objects +2 hardlinked \+ 2 copied/m)
  for (const { name, mode } of files) {
    const { status, stderr } = await place.write(await place.stored(name))
    const isLinked = mode === undefined
    assert.equal(status, isLinked ? 1 : 0, `${name}: ${stderr}`)
    if (isLinked) assert.match(stderr, /Operation not permitted/)
  }
  await place.ensureWhole(imageId)
  await place.busybox('rm', '-r', place.storage)
  await place.ensureWhole(imageId)
}

test(
  'a secure repository that shares files with a storage',
  { skip: missingForVm('mkfs.btrfs', 'skopeo') },
  async (t) => {
    const kernel = await fetchKernel()
    if (typeof kernel === 'string') return t.skip(kernel)
    const folder = scratchFolder('fs-verity-storage')
    const layout = new OciLayout(join(folder, 'layout'))
    layout.tag('t', await layout.image([await rawTar([{ name: 'usr/', type: 'directory' }, ...files])]))
    const storage = new Store(join(folder, 'storage'))
    await skopeoCopy(layout.reference('t'), storage.reference(image))
    const reference = await ToolRepository.init('cfsctl', join(folder, 'reference'))
    await reference.ok('oci', 'pull', layout.reference('t'), 't')
    const imageId = await reference.ok('oci', 'compute-id', 't')

    const initramfs = await writeInitramfs(folder, kernel, { btrfs: true })
    const rootDisk = await writeRootDisk(folder, storage.root)
    const options = { kernel, initramfs, rootDisk, folder, timeLimit: TIME_LIMIT_MS }
    const makeDisks = async () => [
      await writeBtrfsDisk(join(folder, 'btrfs.img'), '256M'),
      await writeDisk(join(folder, 'ext4.img'), '128M'),
    ]
    await inVm(t, options, makeDisks, async (vm) => {
      await clonesOnBtrfs(vm, imageId)
      await linksOnExt4(vm, imageId)
    })
  },
)
