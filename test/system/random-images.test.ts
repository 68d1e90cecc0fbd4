/**
 * Images of random layers: either tool takes what the other takes, and makes the same image and dumpfile of it.
 * SLUICE_IMAGES gives the number of images (40), SLUICE_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../fuzz/random.js'
import { randomLayers } from '../helpers/random-layers.js'
import { linkedNames } from '../helpers/repository-model.js'
import { OciLayout } from '../helpers/system-images.js'
import { ensureSameBytes, missingForSluice, scratchFolder, ToolRepository } from '../helpers/system-run.js'

const images = Number(process.env['SLUICE_IMAGES'] ?? 40)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)

/** The ids of all images that were ever made. */
const imageIds = ({ path }: ToolRepository): string[] => linkedNames(join(path, 'images'))

test('both tools make the same images of random layers', { skip: missingForSluice('cfsctl') }, async (t) => {
  const scratch = scratchFolder('random-images')
  const layout = new OciLayout(join(scratch, 'layout'))
  let taken = 0
  for (const erofsVersion of [1, 2]) {
    const path = (name: string): string => join(scratch, `${name}-v${erofsVersion}`)
    const cfsctl = await ToolRepository.init('cfsctl', path('cfsctl'), { erofsVersion, hash: 'sha256' })
    const sluice = await ToolRepository.init('sluice', path('sluice'), { erofsVersion, hash: 'sha256' })
    for (let number = erofsVersion; number <= images; number += 2) {
      const what = `image ${number} of SLUICE_SEED=${seed}, V${erofsVersion}`
      const tag = `v${erofsVersion}-${number}`
      layout.tag(tag, await layout.image(randomLayers(new Random(seed, number)), { compression: 'none' }))
      const pull = ['oci', 'pull', layout.reference(tag), tag] as const
      const theirs = await cfsctl.run(...pull)
      const ours = await sluice.run('--parity', ...pull)
      assert.equal(ours.status === 0, theirs.status === 0, `${what}:\n${ours.stderr}\n${theirs.stderr}`)
      assert.ok(ours.status === 0 || ours.status === 5, `${what}: ${ours.stderr}`)
      assert.deepEqual(imageIds(sluice), imageIds(cfsctl), what)
      if (ours.status !== 0) continue
      taken++
      await ensureSameBytes([sluice, cfsctl], what, 'oci', 'dump', tag)
    }
    await sluice.other.ok('fsck')
    await cfsctl.other.ok('fsck')
  }
  t.diagnostic(`seed ${seed}: ${taken} of ${images} images taken, the others refused by both`)
  assert.ok(taken >= images / 4, `SLUICE_SEED=${seed}: only ${taken} of ${images} images were taken`)
})
