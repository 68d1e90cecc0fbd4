/** Images that podman holds, on a file system that shares blocks between files. */
import { before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { OciLayout, richLayers } from '../helpers/system-images.js'
import {
  comparableLines,
  missing,
  missingForSluice,
  mountTools,
  runOk,
  scratchFolder,
  ToolRepository,
  type ToolName,
} from '../helpers/system-run.js'

const needs = [...mountTools, 'podman', 'mkfs.xfs', 'kernel:xfs', 'loop']

describe('containers-storage', { skip: missing(...needs) }, () => {
  const scratch = scratchFolder('storage')
  const disk = join(scratch, 'disk')
  const home = join(disk, 'home')
  const reference = (image: string): string => `containers-storage:localhost/${image}:t`
  /** Image ids by the reference's pull from the layout. */
  const expectedIds = new Map<string, string>()

  before(async () => {
    mkdirSync(disk)
    await runOk('truncate', ['-s', '600M', join(scratch, 'disk.img')])
    await runOk('mkfs.xfs', ['-q', '-m', 'reflink=1', join(scratch, 'disk.img')])
    await runOk('mount', ['-o', 'loop', join(scratch, 'disk.img'), disk])
    mkdirSync(home)

    // podman 4 cannot make device nodes of large numbers; the reference's import stops at names that are no UTF-8.
    const layers = { every: ['var/lib/disk'], common: ['var/lib/disk', 'usr/share/doc/\xff\xfe\x01bytes'] }
    // Where a user's store is by default; the reference looks nowhere else.
    const store = ['--root', join(home, '.local/share/containers/storage'), '--runroot', join(disk, 'run')]
    const podman = (...args: string[]): Promise<Buffer> =>
      runOk('podman', [...store, '--storage-driver', 'overlay', ...args], { env: { HOME: home } })
    for (const [name, without] of Object.entries(layers)) {
      const layout = new OciLayout(join(scratch, name))
      layout.tag('t', await layout.image(await richLayers(join(scratch, `${name}-files`), without)))
      const id = await podman('pull', '-q', layout.reference('t'))
      await podman('tag', id.toString().trim(), `localhost/${name}:t`)
      const direct = await ToolRepository.init('cfsctl', join(scratch, `${name}-direct`))
      await direct.ok('oci', 'pull', layout.reference('t'), 't')
      expectedIds.set(name, await direct.ok('oci', 'compute-id', 't'))
    }
  })

  async function imported(tool: ToolName, mode: string, image: string): Promise<string> {
    const path = join(disk, `${mode}-${tool}-${image}`)
    const repository = await ToolRepository.init(tool, path, { env: { HOME: home } })
    const printed = await repository.ok('oci', 'pull', '--local-fetch', mode, reference(image), 't')
    assert.equal(await repository.other.ok('oci', 'compute-id', 't'), expectedIds.get(image))
    assert.match(await repository.other.ok('oci', 'fsck'), /^oci images: 1\/1 ok$/m)
    return printed
  }

  for (const mode of ['auto', 'zerocopy']) {
    test(`--local-fetch ${mode} clones files, and makes the same image`, async () => {
      const ours = await imported('sluice', mode, 'common')
      const theirs = await imported('cfsctl', mode, 'common')
      assert.deepEqual(comparableLines(ours), comparableLines(theirs))
      assert.match(ours, /^objects +[1-9]\d* reflinked \+ 0 copied/m)
    })
  }

  test('names of any bytes', { skip: missingForSluice() }, async () => {
    assert.match(await imported('sluice', 'auto', 'every'), /^tagged +t$/m)
  })
})
