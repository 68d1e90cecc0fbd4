/** A collection while images of the repository are mounted. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import { listImageMounts } from '../../src/native/mounted-images.js'
import { Repository } from '../../src/repository/repository.js'
import { findMountedImages } from '../../src/stages/walk/mounted.js'
import { OciLayout, rawTar } from '../helpers/system-images.js'
import { noise } from '../helpers/system-rootfs.js'
import { missingForSluice, runOk, scratchFolder, ToolRepository } from '../helpers/system-run.js'

const skip = missingForSluice('root', 'kernel:erofs', 'kernel:overlay')

/** Two images of different sizes, `kept` and `gone`, whose tags are removed after the first was mounted. */
async function mountAndUntag(name: string, mountOptions: (scratch: string) => readonly string[]) {
  const scratch = scratchFolder(name)
  const layout = new OciLayout(join(scratch, 'layout'))
  const repository = await ToolRepository.init('sluice', join(scratch, 'repository'))
  for (const [tag, files] of [
    ['kept', 1],
    ['gone', 300],
  ] as const) {
    const contents = Array.from({ length: files }, (_, i) => ({
      name: `usr/${tag}${i}`,
      content: noise(`${tag}${i}`, 100),
    }))
    layout.tag(tag, await layout.image([await rawTar([{ name: 'usr', type: 'directory', mode: 0o755 }, ...contents])]))
    await repository.ok('oci', 'pull', layout.reference(tag), tag)
  }
  const mountPoint = join(scratch, 'mounted')
  mkdirSync(mountPoint)
  await repository.ok('oci', 'mount', ...mountOptions(scratch), 'kept', mountPoint)
  const images = Object.fromEntries(
    await Promise.all(
      ['kept', 'gone'].map(async (tag) => {
        const { composefs_erofs: id } = await repository.json<{ composefs_erofs: ObjectId }>('oci', 'inspect', tag)
        return [tag, id] as const
      }),
    ),
  )
  const { refs } = await repository.json<{ refs: { freed: { count: number } }[] }>('stats', '--json')
  const freed = refs.reduce((sum, ref) => sum + ref.freed.count, 0)
  for (const tag of ['kept', 'gone']) await repository.ok('oci', 'untag', tag)
  return { repository, mountPoint, images, freed }
}

interface GcJson {
  readonly objects_removed: number
  readonly mounted_images_kept: number
}

test('the image that is mounted stays whole, and goes when it is no more', { skip }, async () => {
  const { repository, mountPoint, freed } = await mountAndUntag('gc-mounted', () => [])
  const first = await repository.ok('gc')
  // Of one image 300 files, its layer, config and manifest with their documents, and EROFS; of the other all but file and EROFS.
  assert.match(first, /^Objects: 311 removed .*\nPruned symlinks: 1 images, 6 streams\nMounted images: 1 kept$/)
  assert.equal(freed, 311, 'as stats told before')
  assert.deepEqual(readFileSync(join(mountPoint, 'usr/kept0')), Buffer.from(noise('kept0', 100)))
  assert.match(await repository.ok('fsck'), /status: ok$/)
  await runOk('umount', [mountPoint])
  const second = await repository.json<GcJson>('gc', '--json')
  assert.deepEqual([second.objects_removed, second.mounted_images_kept], [2, 0])
})

test('the mount table alone tells which image it is, unless a writable layer hides it', { skip }, async () => {
  for (const [name, options] of [
    ['gc-table', () => []],
    [
      'gc-writable',
      (scratch: string) => {
        for (const directory of ['upper', 'work']) mkdirSync(join(scratch, directory))
        return ['--upperdir', join(scratch, 'upper'), '--workdir', join(scratch, 'work'), '--read-write']
      },
    ],
  ] as const) {
    const { repository: tool, images, mountPoint } = await mountAndUntag(name, options)
    using repository = await Repository.open(tool.path, { insecure: true })
    const all = new Set(Object.values(images))
    // As older versions name mounts, by their tag: an id would tell at once.
    const table = () => listImageMounts().map((mount) => ({ ...mount, source: 'composefs:kept' }))
    const find = () => [...findMountedImages(repository, all, { mounts: table(), loopFiles: [] })].sort()
    const findOther = (layers: string[]) => {
      const mounts = table().map((mount) => (mount.mountPoint === mountPoint ? { ...mount, layers } : mount))
      return [...findMountedImages(repository, new Set([images['gone']]), { mounts, loopFiles: [] })]
    }
    const named = findMountedImages(repository, all, { mounts: listImageMounts(), loopFiles: [] })
    assert.deepEqual([...named], [images['kept']], 'by the id in its name')
    assert.deepEqual(find(), name === 'gc-table' ? [images['kept']] : [...all].sort())
    if (name === 'gc-table') {
      const ofRepository = findOther(['/', repository.objects.directory])
      assert.deepEqual(ofRepository, [images['gone']], 'no image of this repository has that size: it can be any')
      assert.deepEqual(findOther(['/proc/self/fd/3', '/proc/self/fd/4']), [], 'perhaps of another repository')
    }
    await runOk('mount', ['-t', 'tmpfs', 'cover', mountPoint])
    assert.deepEqual(find(), [...all].sort(), 'something else lies over the mount')
    await runOk('umount', [mountPoint])
    await runOk('umount', [mountPoint])
    assert.deepEqual(find(), [])
  }
})
