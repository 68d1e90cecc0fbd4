/** What the kernel shows of a mounted image is what a container runtime unpacks from it. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { OciLayout, richLayers, umociUnpack } from '../helpers/system-images.js'
import { missing, mountTools, scratchFolder, ToolRepository } from '../helpers/system-run.js'
import { compareTrees, composefsView, listTree } from '../helpers/system-tree.js'

for (const erofsVersion of [1, 2]) {
  test(
    `a mounted image (EROFS V${erofsVersion}) equals the unpacked one`,
    { skip: missing(...mountTools) },
    async () => {
      const scratch = scratchFolder('mounted')
      const layout = new OciLayout(join(scratch, 'layout'))
      layout.tag('rich', await layout.image(await richLayers(scratch)))
      const unpacked = await listTree(await umociUnpack(layout, 'rich', join(scratch, 'bundle')))
      assert.ok(unpacked.size > 60, `only ${unpacked.size} entries were unpacked`)

      const repository = await ToolRepository.init('sluice', join(scratch, 'repository'), { erofsVersion })
      await repository.ok('oci', 'pull', layout.reference('rich'), 'rich')
      const mountPoint = join(scratch, 'mounted')
      mkdirSync(mountPoint)
      await repository.ok('oci', 'mount', 'rich', mountPoint)

      assert.deepEqual(compareTrees(await listTree(mountPoint), composefsView(unpacked, erofsVersion)), [])
    },
  )
}
