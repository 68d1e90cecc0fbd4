/** Mounts and reflinks on the real kernel. The images and objects mounted here were written by the reference. */
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import { probeDirectory } from '../../src/native/capabilities.js'
import { libcAvailable } from '../../src/native/libc.js'
import { type ComposefsMountOptions, mountComposefs, unmount } from '../../src/native/mount.js'
import { cloneFile } from '../../src/native/reflink.js'
import { missing, run, runOk, scratchFolder } from '../helpers/system-run.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

const noMounts =
  missing('root', 'tar', 'kernel:erofs', 'kernel:overlay') ||
  (!libcAvailable() && 'native code is off or missing') ||
  (!hasVector('repository', 'repo.tar.gz') && 'the set of vectors has no repository/repo.tar.gz')
const noLoop = noMounts || (!existsSync('/dev/loop-control') && 'this machine has no loop devices')
const noXfs =
  missing('root', 'mkfs.xfs', 'mount') ||
  (!libcAvailable() && 'native code is off or missing') ||
  (!existsSync('/dev/loop-control') && 'no loop devices')

const scratch = scratchFolder('native')
const repository = join(scratch, 'repo')
const objectsDir = join(repository, 'objects')
const target = join(scratch, 'target')
mkdirSync(target)

before(async () => {
  if (noMounts !== false) return
  await runOk('tar', ['-xzf', vectorPath('repository', 'repo.tar.gz'), '-C', scratch])
})

/** The objects of each image, as the reference lists them. */
function imageObjects(): [string, string[]][] {
  const { image_objects } = readJsonVector<{ image_objects: Record<string, string[]> }>('repository', 'scenarios.json')
  return Object.entries(image_objects).map(([image, objects]) => [
    join(repository, 'images', image),
    objects.map((id) => id.replace('sha256:', '')).sort(),
  ])
}

/** Digests of the mounted files that are too large to be in the image itself. */
function mountedObjects(): string[] {
  const digests = readdirSync(target, { recursive: true, encoding: 'utf8' })
    .map((name) => join(target, name))
    .filter((path) => lstatSync(path).isFile() && lstatSync(path).size > 64)
    .map((path) => verityDigest('sha256', readFileSync(path)))
  return [...new Set(digests)].sort()
}

/** Mounts and loop devices that have to do with this test, and directories for moments. */
async function traces(): Promise<string[]> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const loops = existsSync('/dev/loop-control') ? (await runOk('losetup', ['-a'])).toString().split('\n') : []
  const temporary = readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-mount-'))
  return [...[...mounts, ...loops].filter((line) => line.includes(scratch)), ...temporary]
}

function mountLine(): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((text) => text.includes(` ${target} `))
  return line ?? assert.fail('nothing is mounted')
}

const [firstImage = ''] = noMounts === false ? imageObjects().map(([path]) => path) : []
const plain = { image: firstImage, objectsDir, target, verity: 'off' } satisfies ComposefsMountOptions

for (const imageAccess of [undefined, 'file', 'loop'] as const) {
  for (const layerAccess of [undefined, 'descriptor', 'temporary-mount'] as const) {
    const ways = { ...(imageAccess && { imageAccess }), ...(layerAccess && { layerAccess }) }
    test(
      `every image shows its objects ${JSON.stringify(ways)}`,
      { skip: imageAccess === 'loop' ? noLoop : noMounts },
      async () => {
        for (const [image, objects] of imageObjects()) {
          mountComposefs({ ...plain, ...ways, image, source: 'composefs:test' })
          try {
            assert.deepEqual(mountedObjects(), objects)
            assert.match(mountLine(), / ro,[^ ]* - overlay composefs:test ro,/)
            assert.match(mountLine(), /redirect_dir=on,metacopy=on/)
            assert.throws(() => writeFileSync(join(target, 'new'), ''), { code: 'EROFS' })
          } finally {
            unmount(target)
          }
        }
        assert.deepEqual(await traces(), [])
      },
    )
  }
}

test('an image can be given as a descriptor', { skip: noMounts }, async () => {
  const image = openSync(firstImage, 'r')
  mountComposefs({ ...plain, image })
  closeSync(image)
  assert.deepEqual(mountedObjects(), imageObjects()[0][1])
  unmount(target)
})

test('with verity required, an object without fs-verity cannot be read', { skip: noMounts }, async () => {
  mountComposefs({ ...plain, verity: 'require' })
  try {
    assert.match(mountLine(), /verity=require/)
    assert.throws(() => mountedObjects(), { code: 'EIO' })
  } finally {
    unmount(target)
  }
})

for (const layerAccess of ['descriptor', 'temporary-mount'] as const) {
  test(`an upper layer takes the changes (${layerAccess})`, { skip: noMounts }, async () => {
    const [upperdir, workdir] = [join(scratch, `upper-${layerAccess}`), join(scratch, `work-${layerAccess}`)]
    mkdirSync(upperdir)
    mkdirSync(workdir)
    mountComposefs({ ...plain, layerAccess, upperdir, workdir, readWrite: true })
    writeFileSync(join(target, 'new'), 'text')
    unmount(target)
    assert.equal(readFileSync(join(upperdir, 'new'), 'utf8'), 'text')

    mountComposefs({ ...plain, layerAccess, upperdir, workdir })
    try {
      assert.equal(readFileSync(join(target, 'new'), 'utf8'), 'text')
      assert.throws(() => writeFileSync(join(target, 'new'), ''), { code: 'EROFS' })
    } finally {
      unmount(target)
    }
    assert.deepEqual(await traces(), [])
  })
}

test('a mount that fails says why and leaves nothing behind', { skip: noLoop }, async () => {
  const junk = join(scratch, 'junk')
  writeFileSync(junk, Buffer.alloc(8192, 1))
  const failures: [Partial<ComposefsMountOptions>, string, RegExp][] = [
    [{ image: junk }, 'SLUICE_NATIVE', /erofs.*EINVAL/],
    [{ image: junk, imageAccess: 'loop' }, 'SLUICE_NATIVE', /erofs.*EINVAL/],
    [{ image: join(scratch, 'absent') }, 'SLUICE_NOT_FOUND', /absent/],
    [{ objectsDir: join(scratch, 'absent') }, 'SLUICE_NOT_FOUND', /absent/],
    [{ objectsDir: junk }, 'SLUICE_IO', /ENOTDIR/],
    [{ target: join(scratch, 'absent') }, 'SLUICE_NOT_FOUND', /mount point .*absent/],
    [{ target: junk }, 'SLUICE_USAGE', /not a directory/],
    [{ upperdir: '/proc', workdir: '/proc' }, 'SLUICE_NATIVE', /overlay.*EINVAL/],
    [{ upperdir: scratch }, 'SLUICE_USAGE', /together/],
    [{ readWrite: true }, 'SLUICE_USAGE', /upperdir/],
  ]
  for (const [change, code, message] of failures) {
    assert.throws(
      () => mountComposefs({ ...plain, ...change }),
      (error) => error instanceof SluiceError && error.code === code && message.test(error.message),
      JSON.stringify(change),
    )
    assert.deepEqual(await traces(), [], JSON.stringify(change))
  }
})

test('no descriptor is lost, whether mounting works or not', { skip: noMounts }, () => {
  const open = () => readdirSync('/proc/self/fd').length
  const once = () => {
    mountComposefs(plain)
    unmount(target)
    assert.throws(() => mountComposefs({ ...plain, upperdir: '/proc', workdir: '/proc' }), SluiceError)
  }
  once()
  const before = open()
  for (let i = 0; i < 5; i++) once()
  assert.equal(open(), before)
})

test('unmounting where nothing is mounted', { skip: noMounts }, () => {
  assert.throws(
    () => unmount(target),
    (error) => error instanceof SluiceError && error.hint === 'nothing is mounted there',
  )
})

test('without root the error says so', { skip: noMounts || missing('setpriv') }, async () => {
  const script = `
    import { mountComposefs } from ${JSON.stringify(new URL('../../src/native/mount.js', import.meta.url).href)}
    try { mountComposefs({ image: '/etc/passwd', objectsDir: '/', target: '/', verity: 'off' }) }
    catch (error) { console.log(error.code, error.details.errno, error.hint) }`
  const bounded = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all']
  const result = await run('setpriv', [...bounded, process.execPath, '--input-type=module', '-e', script])
  assert.equal(result.stdout.toString(), 'SLUICE_NATIVE EPERM mounting needs root (CAP_SYS_ADMIN)\n', result.stderr)
})

test('xfs shares blocks between files', { skip: noXfs }, async () => {
  const [image, folder] = [join(scratch, 'xfs.img'), join(scratch, 'xfs')]
  mkdirSync(folder)
  await runOk('truncate', ['-s', '320M', image])
  await runOk('mkfs.xfs', ['-q', '-m', 'reflink=1', image])
  await runOk('mount', ['-o', 'loop', image, folder])
  after(() => run('umount', ['-l', folder]))

  assert.deepEqual(probeDirectory(folder).reflink, true)
  assert.deepEqual(readdirSync(folder), [])
  const content = Buffer.alloc(300_001, 7)
  writeFileSync(join(folder, 'source'), content)
  const source = openSync(join(folder, 'source'), 'r')
  const target = openSync(join(folder, 'target'), 'w')
  assert.equal(cloneFile(source, target), 'cloned')
  assert.deepEqual(readFileSync(join(folder, 'target')), content)
  const outside = openSync(join(scratch, 'outside'), 'w')
  assert.equal(cloneFile(source, outside), 'unsupported')
  ;[source, target, outside].forEach((fd) => closeSync(fd))
})
