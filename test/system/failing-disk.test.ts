/**
 * A disk that fails while an image is imported from the containers-storage on it: from one moment on every read and write does
 * (xfs that is shut down). It is told in one line; when the disk is back, nothing is wrong, and the next run makes the image.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withMounted } from '../helpers/faults-disk.js'
import { OciLayout, rawTar, skopeoCopy, type RawEntry } from '../helpers/system-images.js'
import { missingForSluice, runOk, scratchFolder, ToolRepository } from '../helpers/system-run.js'

const skip = missingForSluice('root', 'loop', 'skopeo', 'mkfs.xfs', 'xfs_io', 'kernel:xfs')
const folder = scratchFolder('failing-disk')
const [image, disk] = [join(folder, 'image'), join(folder, 'disk')]
const reference = `containers-storage:[vfs@${disk}/store+${disk}/run]localhost/many:t`
const ROUNDS = 6
/** Small files, of which most become objects, and a large one: some hundred slabs. */
const FILES = 4000
const MIB = 1024 * 1024

/** What the import takes without a failure, in milliseconds, and its id. */
let whole: { ms: number; id: string }

before(async () => {
  if (skip !== false) return
  const layout = new OciLayout(join(folder, 'layout'))
  const files = Array.from({ length: FILES }, (_, i): RawEntry => ({
    name: `usr/share/${i % 50}/${i}`,
    content: randomBytes(40 + ((i * 37) % 50_000)),
  }))
  const tar = await rawTar([...files, { name: 'usr/lib/large', content: randomBytes(12 * MIB) }])
  layout.tag('t', await layout.image([tar], { compression: 'none' }))
  await runOk('truncate', ['-s', '600M', image])
  await runOk('mkfs.xfs', ['-q', '-m', 'reflink=1', image])
  await withMounted(image, disk, () => skopeoCopy(layout.reference('t'), reference))
  whole = await withMounted(await copied(), disk, async () => {
    const repository = await ToolRepository.init('sluice', join(disk, 'repository'))
    const started = performance.now()
    await repository.ok('pull', reference, 't', '--threads', '2')
    return { ms: performance.now() - started, id: await repository.ok('oci', 'compute-id', 't') }
  })
})

/** A copy of the image, with the storage on it and nothing else. */
async function copied(): Promise<string> {
  const copy = join(folder, 'copy')
  await runOk('cp', ['--sparse=always', image, copy])
  return copy
}

for (let round = 0; round < ROUNDS; round++) {
  test(`the disk fails at some time of an import, ${round + 1} of ${ROUNDS}`, { skip }, async (t) => {
    const copy = await copied()
    const failsAfter = whole.ms * (0.1 + 0.9 * Math.random())
    t.diagnostic(`after ${Math.round(failsAfter)} of ${Math.round(whole.ms)} ms`)
    await withMounted(copy, disk, async () => {
      const repository = await ToolRepository.init('sluice', join(disk, 'repository'))
      await runOk('sync', ['-f', disk])
      const pulling = repository.run('pull', reference, 't', '--threads', '2')
      await sleep(failsAfter)
      await runOk('xfs_io', ['-x', '-c', 'shutdown', disk])
      const { status, stderr } = await pulling
      if (status === 0) return
      assert.match(stderr, /^Error: [^\n]*(EIO|input\/output)[^\n]*\n(Hint: [^\n]*\n)?$/i)
      assert.equal(status, 7)
    })
    await withMounted(copy, disk, async () => {
      const repository = new ToolRepository('sluice', join(disk, 'repository'))
      assert.match(await repository.ok('fsck'), /^status: ok$/m)
      await repository.ok('pull', reference, 't', '--threads', '2')
      assert.equal(await repository.ok('oci', 'compute-id', 't'), whole.id)
      assert.match(await repository.ok('fsck', '--deep'), /^status: ok$/m)
    })
  })
}
