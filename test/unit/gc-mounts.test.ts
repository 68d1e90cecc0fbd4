/** Which images a collection takes for mounted, by what the kernel shows of mounts. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import {
  deviceName,
  listImageMounts,
  listLoopFiles,
  parseImageMounts,
  type ImageMount,
} from '../../src/native/mounted-images.js'
import type { Repository } from '../../src/repository/repository.js'
import { findMountedImages } from '../../src/stages/walk/mounted.js'
import { storeImage } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const id = 'ab'.repeat(32)

/** Lines of machines with kernels 5.15 to 6.18; the first three are no mounts of images. */
const table = String.raw`22 27 0:21 / /proc rw,relatime shared:14 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
60 27 0:50 / /short - nothing
46 27 0:39 / /mnt/6.18 ro,relatime - overlay composefs:node ro,lowerdir+=/,datadir+=/srv/repo/objects,redirect_dir=on,metacopy=on
47 27 0:40 / /mnt/6.6 ro,relatime shared:7 - overlay composefs:x ro,lowerdir=/proc/self/fd/12::/proc/self/fd/13,metacopy=on
48 27 0:41 / /mnt/with\040space\134 rw - overlay composefs:${id} rw,lowerdir=/run/.erofs::/srv/a\134:b\134\134::/srv/c\054d,upperdir=/up\0541,workdir=/job
49 27 7:0 / /mnt/erofs ro,relatime - erofs /dev/loop0 ro,user_xattr,acl,cache_strategy=readaround
50 27 0:42 / /mnt/file ro,relatime - erofs /srv/my\040repo/objects/ab/${id.slice(2)} ro
51 27 0:43 / /var/lib/docker/merged rw - overlay overlay rw,lowerdir=l/AAA:l/BBB,upperdir=/u,workdir=/w
`

test('the mount table is read with all its escapes', () => {
  const overlay = { type: 'overlay', hasUpper: false }
  const erofs = { type: 'erofs', hasUpper: false, layers: [] }
  assert.deepEqual(parseImageMounts(table), [
    {
      ...overlay,
      mountPoint: '/mnt/6.18',
      device: '0:39',
      source: 'composefs:node',
      layers: ['/', '/srv/repo/objects'],
    },
    {
      ...overlay,
      mountPoint: '/mnt/6.6',
      device: '0:40',
      source: 'composefs:x',
      layers: ['/proc/self/fd/12', '/proc/self/fd/13'],
    },
    {
      ...overlay,
      mountPoint: '/mnt/with space\\',
      device: '0:41',
      source: `composefs:${id}`,
      layers: ['/run/.erofs', '/srv/a:b\\', '/srv/c,d'],
      hasUpper: true,
    },
    { ...erofs, mountPoint: '/mnt/erofs', device: '7:0', source: '/dev/loop0' },
    { ...erofs, mountPoint: '/mnt/file', device: '0:42', source: `/srv/my repo/objects/ab/${id.slice(2)}` },
    {
      ...overlay,
      mountPoint: '/var/lib/docker/merged',
      device: '0:43',
      source: 'overlay',
      layers: ['l/AAA', 'l/BBB'],
      hasUpper: true,
    },
  ])
})

test('lines that are none of a mount table are passed over', () => {
  assert.deepEqual(parseImageMounts('\n-\n- - - - - - -\n1 2 3 4 5 6 7 -\n1 2 3 4 5 6 - overlay'), [
    { type: 'overlay', mountPoint: '5', device: '3', source: '', layers: [], hasUpper: false },
  ])
})

test('the tables of this machine can be read', () => {
  for (const { mountPoint } of listImageMounts()) assert.match(mountPoint, /^\//)
  for (const file of listLoopFiles()) assert.doesNotMatch(file, /\n| \(deleted\)$/)
})

test('device numbers are told as the mount table has them', () => {
  const names = [0x27, 0x700, 0x100000, 0x12310345, 0xffffffff].map(deviceName)
  assert.deepEqual(names, ['0:39', '7:0', '0:256', '259:74565', '4095:1048575'])
})

/** Two images of one size, and one of another. */
function storeImages(repository: Repository): { small: ObjectId; twin: ObjectId; large: ObjectId } {
  const objects = Array.from({ length: 200 }, (_, i) => repository.objects.store(Buffer.from(`file ${i}`)).id)
  const [small, twin] = [storeImage(repository, objects.slice(0, 1)), storeImage(repository, objects.slice(1, 2))]
  const large = storeImage(repository, objects)
  for (const image of [small, twin, large]) repository.images.link(image, image)
  return { small, twin, large }
}

const mount = (facts: Partial<ImageMount>): ImageMount => ({
  type: 'overlay',
  mountPoint: '/nonexistent',
  device: '0:99',
  source: 'composefs:name',
  layers: [],
  hasUpper: false,
  ...facts,
})

test('an image is found by its id, by a loop device, or is one of all', async (t) => {
  const repository = await temporaryRepository(t)
  const { small, twin, large } = storeImages(repository)
  const all = new Set([small, twin, large])
  const alias = `${repository.path}-alias`
  symlinkSync(repository.path, alias)
  const objects = repository.objects.directory
  const find = (mounts: ImageMount[], loopFiles: string[] = []) =>
    [...findMountedImages(repository, all, { mounts, loopFiles })].sort()
  const everything = [...all].sort()

  assert.deepEqual(find([]), [])
  assert.deepEqual(find([mount({ source: `composefs:${twin}`, layers: ['/', objects] })]), [twin])
  assert.deepEqual(find([mount({ source: `composefs:${id}`, layers: ['/', objects] })]), [], 'of another repository')
  assert.deepEqual(find([mount({ layers: ['/', objects] })]), everything)
  assert.deepEqual(find([mount({ layers: ['/', `${alias}/objects/.`] })]), everything, 'by another path')
  assert.deepEqual(find([mount({ layers: ['/', '/usr'] })]), [])
  assert.deepEqual(
    find([mount({ layers: ['/', '/nonexistent/objects'] })]),
    everything,
    'of a repository that was moved',
  )
  assert.deepEqual(find([mount({ layers: ['/proc/self/fd/3', '/proc/self/fd/4'] })]), everything)
  assert.deepEqual(find([mount({ source: 'overlay', layers: ['l/A', 'l/B'], hasUpper: true })]), [])
  assert.deepEqual(find([mount({ type: 'erofs', source: repository.objects.path(large) })]), [large])
  assert.deepEqual(find([mount({ type: 'erofs', source: `${repository.path}/images/${small}` })]), [small])
  assert.deepEqual(find([mount({ type: 'erofs', source: '/dev/loop3' })]), [])
  assert.deepEqual(find([], [repository.objects.path(small), '/var/disk.img', `/else/${id.slice(0, 2)}/x`]), [small])
})
