/** A file system that has room for the image, but not for what arrived of it besides. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { partNames } from '../helpers/parts.js'
import { layerTar, pullFrom, serveImage } from '../helpers/pull.js'
import { startRegistry } from '../helpers/registry-client.js'
import { missing, run, runOk, scratchFolder } from '../helpers/system-run.js'

const folder = scratchFolder('full-disk')
const tars = [layerTar('large', [4_000_000, 4_000_000, 4_000_000]), layerTar('other', [2_000_000])]

/** How much of each must be free, in KiB: the image takes some 14,000. */
for (const [room, fits] of [
  [30_000, true],
  [18_000, true],
  [15_500, true],
  [9_000, false],
] as const) {
  const name = `${room} KiB: the pull ${fits ? 'succeeds' : 'fails and leaves nothing behind'}`
  test(name, { skip: missing('root') }, async (t) => {
    const mountPoint = join(folder, randomBytes(4).toString('hex'))
    mkdirSync(mountPoint)
    await runOk('mount', ['-t', 'tmpfs', '-o', `size=${room}k`, 'tmpfs', mountPoint])
    t.after(() => run('umount', ['-l', mountPoint]))
    const path = join(mountPoint, 'repo')
    await initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true })
    using repository = await Repository.open(path, { insecure: true })
    const registry = await startRegistry(t)
    const { layers } = serveImage(registry, 'v1', tars)
    const pull = pullFrom(repository, registry, 'v1', { source: { stallTimeoutMs: 60_000 } })
    if (fits) await pull
    else await assert.rejects(pull, { code: 'SLUICE_NO_SPACE' })
    for (const { digest } of layers) assert.ok(registry.requestsFor(new RegExp(digest)).length <= 2)
    assert.equal(partNames(repository), undefined)
    assert.deepEqual((await checkRepository(repository)).errors, [])
  })
}
