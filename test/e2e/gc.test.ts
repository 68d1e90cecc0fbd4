/** `gc` as a process: what it prints, and that it does what it printed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectPath } from '../../src/formats/digest.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { sluice } from '../helpers/cli.js'
import { listFiles } from '../helpers/reference-repository.js'
import { storeNamedLayer, storeTaggedImage } from '../helpers/stored-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

test(
  'a dry run tells what the real one does, roots are kept, and talk stays away from a pipe',
  needsLock,
  async (t) => {
    const repository = await temporaryRepository(t)
    const { path } = repository
    const file = (text: string) => repository.objects.store(Buffer.from(text.repeat(70))).id
    const layer = await storeNamedLayer(repository, [file('a'), file('b')])
    const rooted = await storeNamedLayer(repository, [file('r')])
    await storeTaggedImage(repository, 'app', [layer])
    await storeTaggedImage(repository, 'old', [layer], [])
    const garbage = file('g')
    repository.close()
    const run = async (...args: string[]) => {
      const { status, stdout, stderr } = await sluice(['--repo', path, '--insecure', 'gc', ...args])
      assert.deepEqual([status, stderr], [0, ''], args.join(' '))
      return stdout
    }

    const before = listFiles(path)
    const root = ['--root', `oci-layer-${rooted.diffId}`]
    const dry = await run('-n', ...root)
    const dryJson = JSON.parse(await run('-n', '--json', ...root)) as object
    assert.equal(await run(`-nr=oci-layer-${rooted.diffId}`), dry)
    assert.equal(await run('-n', `-r=oci-layer-${rooted.diffId}`), dry)
    assert.notEqual(await run('-n', '-r='), dry)
    assert.notEqual(await run('-n', '--root=-x', '-r=-1'), dry)
    // A root that a script does not know: what was only to be told must not be done.
    for (const words of [
      ['--root', '--dry-run'],
      ['-r', '-n'],
      ['-r', '--', '-n'],
      ['-qr', '-n'],
    ]) {
      const { status, stderr } = await sluice(['--repo', path, '--insecure', 'gc', ...words])
      assert.equal(status, 2)
      assert.match(stderr, /^error: option '-r, --root <name>' argument missing/)
    }
    assert.deepEqual(listFiles(path), before)
    // The garbage, and two documents with their streams; both images have one EROFS image.
    const expected = {
      objects_removed: 5,
      images_pruned: 0,
      streams_pruned: 2,
      parts_removed: 0,
      parts_bytes: 0,
      mounted_images_kept: 0,
    }
    const { objects_bytes: bytes } = dryJson as { objects_bytes: number }
    assert.deepEqual(dryJson, { dry_run: true, objects_bytes: bytes, ...expected })
    const text = `Objects: 5 removed (${bytes} bytes)\nPruned symlinks: 0 images, 2 streams\n`
    assert.equal(dry, `Dry run (no files deleted):\n${text}`)

    assert.equal(await run(...root), text)
    const after = listFiles(path)
    assert.equal(after.length, before.length - 7)
    assert.ok(!after.includes(`objects/${objectPath(garbage)}`))
    assert.ok(after.includes(`objects/${objectPath(rooted.files[0])}`))
    // Without its root the layer goes, too.
    assert.match(await run(), /^Objects: 2 removed \(\d+ bytes\)\nPruned symlinks: 0 images, 1 streams\n$/)
    assert.equal(await run('-q'), 'Objects: 0 removed (0 bytes)\n')
  },
)
