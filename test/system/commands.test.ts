/** Commands beside pulling: the same output, the same effect and the same verdict from both tools. */
import { before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OciLayout, richLayers, sha256 } from '../helpers/system-images.js'
import {
  missing,
  missingForSluice,
  notYet,
  mountTools,
  run,
  runOk,
  runTool,
  scratchFolder,
  toolCommand,
  ToolRepository,
  type ToolName,
} from '../helpers/system-run.js'
import { writeBaseLayer } from '../helpers/system-rootfs.js'
import {
  compareTrees,
  composefsView,
  isCapability,
  listTree,
  type ListOptions,
  type TreeListing,
} from '../helpers/system-tree.js'

const tools = ['sluice', 'cfsctl'] as const

describe('commands', { skip: missing(...mountTools, 'flock') }, () => {
  const scratch = scratchFolder('commands')
  const root = join(scratch, 'root')
  const layout = new OciLayout(join(scratch, 'layout'))
  let layers: Buffer[]
  let repository: ToolRepository

  before(async () => {
    await writeBaseLayer(root)
    layers = await richLayers(scratch)
    layout.tag('rich', await layout.image(layers))
    repository = await ToolRepository.init('sluice', join(scratch, 'repository'))
    await repository.ok('oci', 'pull', layout.reference('rich'), 'rich')
  })

  /** What both tools print for the same command line, which must succeed. */
  async function sameOutput(args: readonly string[], input?: Buffer): Promise<string> {
    const [ours, theirs] = await Promise.all(tools.map((tool) => runTool(tool, args, input && { input })))
    assert.equal(theirs?.status, 0, `cfsctl ${args.join(' ')}: ${theirs?.stderr}`)
    assert.equal(ours?.status, 0, `sluice ${args.join(' ')}: ${ours?.stderr}`)
    assert.equal(ours.stdout.toString('latin1'), theirs.stdout.toString('latin1'), args.join(' '))
    return ours.stdout.toString('latin1')
  }

  let mounts = 0
  async function mountEquals(made: ToolRepository, image: string, expected: TreeListing, options: ListOptions = {}) {
    const mountPoint = join(scratch, `mount-${mounts++}`)
    mkdirSync(mountPoint)
    await made.ok('mount', image, mountPoint)
    assert.deepEqual(compareTrees(await listTree(mountPoint, options), expected), [])
  }

  test('a folder of this machine has the same dumpfile and ids', { skip: notYet('create-dumpfile') }, async () => {
    for (const xattrs of ['allowlist-only', 'keep-user-xattrs']) {
      const dump = await sameOutput(['--no-repo', 'create-dumpfile', '--xattrs', xattrs, root])
      assert.ok(dump.split('\n').length > 60)
      for (const hash of ['sha256', 'sha512']) {
        for (const version of ['0', '1', '2']) {
          const options = ['--no-repo', '--hash', hash, '--erofs-version', version]
          await sameOutput([...options, 'compute-id', '--xattrs', xattrs, root])
          await sameOutput([...options, 'compute-karg', root])
        }
      }
    }
    await sameOutput(['--no-repo', 'create-dumpfile', '--no-propagate-usr-to-root', root])
  })

  test('an image made from a folder is the same and can be mounted', { skip: notYet('create-image') }, async () => {
    const ids: string[] = []
    for (const tool of tools) {
      const made = await ToolRepository.init(tool, join(scratch, `create-${tool}`))
      const id = await made.ok('create-image', root, 'mine')
      ids.push(id)
      assert.match(await made.other.ok('fsck'), /^status: ok$/m)
      assert.deepEqual(await made.other.json('images', '--json'), await made.json('images', '--json'))
      await mountEquals(made.other, id.replace(/^sha512:/, ''), composefsView(await listTree(root), 1))
    }
    assert.equal(ids[0], ids[1])
  })

  test('an image is mounted by its name', { skip: missingForSluice() }, async () => {
    // The reference mounts by name as if the repository were secure, so that most files cannot be read.
    const theirs = await ToolRepository.init('cfsctl', join(scratch, 'by-name'))
    await theirs.ok('create-image', root, 'mine')
    await mountEquals(theirs.as('sluice'), 'mine', composefsView(await listTree(root), 1))
  })

  test('files inside an image are described the same', async () => {
    const { composefs_erofs: image } = await repository.json<{ composefs_erofs: string }>('oci', 'inspect', 'rich')
    const files = ['/usr/lib/size-64', '/usr/lib/size-65', '/etc', '/etc/', '/bin', '/var/lib/null', '/usr/bin/ping']
    for (const file of files) await sameOutput(['--repo', repository.path, 'dump-files', image, file])
    for (const file of files.slice(0, 2)) {
      await sameOutput(['--repo', repository.path, 'dump-files', '--backing-path-only', image, file])
    }
  })

  test('imports from standard input give the same ids', async () => {
    const layer = layers[0] ?? assert.fail()
    for (const tool of tools) await ToolRepository.init(tool, join(scratch, `import-${tool}`))
    const imports = await Promise.all(
      tools.map(async (tool) => {
        const path = join(scratch, `import-${tool}`)
        const result = await runTool(tool, ['--repo', path, 'oci', 'import-layer', sha256(layer), 'layer'], {
          input: layer,
        })
        assert.equal(result.status, 0, result.stderr)
        const image = await runTool(tool, ['--repo', path, 'import-image', 'some'], { input: 'not checked' })
        assert.equal(image.status, 0, image.stderr)
        return image.stdout.toString()
      }),
    )
    assert.equal(imports[0], imports[1])
    for (const [tool, other] of [tools, [...tools].reverse()] as [(typeof tools)[number], (typeof tools)[number]][]) {
      const imported = new ToolRepository(other, join(scratch, `import-${tool}`))
      assert.ok((await imported.bytes('cat', 'refs/layer')).equals(layer))
      assert.ok((await imported.bytes('oci', 'layer', sha256(layer))).equals(layer))
    }
  })

  test('block devices are read and written', { skip: missing('root', 'loop', 'losetup') }, async (t) => {
    const layer = layers[0] ?? assert.fail()
    const disk = join(scratch, 'device.img')
    writeFileSync(disk, Buffer.alloc(512 * Math.ceil(layer.length / 512) + 4096))
    const device = (await runOk('losetup', ['--find', '--show', disk])).toString().trim()
    t.after(() => runOk('losetup', ['--detach', device]))
    const stored = await ToolRepository.init('sluice', join(scratch, 'devices'))
    const shell = async (tool: ToolName, command: string) => {
      const words = [...toolCommand(tool), '--repo', stored.path]
      return (await runOk('sh', ['-c', `"$@" ${command}`, 'sh', ...words])).toString()
    }
    const id = sha256(layer)
    assert.equal(
      (await runTool('sluice', ['--repo', stored.path, 'oci', 'import-layer', id], { input: layer })).status,
      0,
    )
    for (const tool of tools) {
      await runOk('dd', ['if=/dev/zero', `of=${device}`, 'bs=512', 'count=1'])
      await shell(tool, `oci layer ${id} > ${device}`)
      assert.ok((await runOk('head', ['-c', String(layer.length), device])).equals(layer), tool)
    }
    const [ours, theirs] = await Promise.all(tools.map((tool) => shell(tool, `import-image device < ${device}`)))
    assert.equal(ours, theirs)
  })

  test('usage errors, missing things and refusals have the same kind of status', async () => {
    const at = ['--repo', repository.path]
    const usage: string[][] = [
      [],
      ['--no-such-option'],
      ['no-such-command'],
      ['--repo', 'a', '--user', 'images'],
      [...at, 'oci', 'pull'],
      [...at, 'oci', 'pull', layout.reference('rich'), 'x', '--expected-digest', 'ab'],
      [...at, 'oci', 'mount', 'rich'],
      [...at, 'mount', 'x', '/mnt', '--upperdir', '/tmp'],
    ]
    // Where the reference has one status for all of these, Sluice has several.
    const failures: string[][] = [
      [...at, 'oci', 'inspect', 'absent'],
      [...at, 'oci', 'untag', 'absent'],
      [...at, 'oci', 'pull', 'no-transport'],
      [...at, 'oci', 'pull', 'oci:/no/such/layout:t', 'x'],
      [...at, 'oci', 'pull', layout.reference('absent'), 'x'],
      [...at, 'oci', 'tag', sha256('x'), '@at'],
      [...at, '--hash', 'sha256', 'images'],
      [...at, '--require-verity', 'images'],
      [...at, 'cat', 'absent'],
      ['--repo', join(scratch, 'no-repository'), 'images'],
    ]
    for (const line of [...usage, ...failures]) {
      for (const tool of tools) {
        const { status, stdout, stderr } = await runTool(tool, line)
        const said = `${tool} ${line.join(' ')} ended with ${status}: ${stderr}`
        if (usage.includes(line)) assert.equal(status, 2, said)
        else assert.ok(status !== null && status > 0, said)
        assert.equal(stdout.toString(), '', said)
      }
    }
  })

  test('a writable mount keeps changes in its upper folder', async () => {
    const [mountPoint, upper, work] = ['rw', 'upper', 'work'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ]
    for (const folder of [mountPoint, upper, work]) mkdirSync(folder)
    await repository.ok('oci', 'mount', 'rich', mountPoint, '--upperdir', upper, '--workdir', work, '--read-write')
    writeFileSync(join(mountPoint, 'etc/new'), 'written')
    rmSync(join(mountPoint, 'usr/lib/zeros'))
    await runOk('umount', [mountPoint])
    assert.equal(readFileSync(join(upper, 'etc/new'), 'utf8'), 'written')
    assert.match(await repository.as('cfsctl').ok('fsck'), /^status: ok$/m)
  })

  for (const tool of tools) {
    test(`${tool} transaction holds the lock that gc waits for`, async () => {
      const [command, ...args] = toolCommand(tool)
      const holder = spawn(command, [...args, '--repo', repository.path, 'transaction'], { stdio: 'ignore' })
      const exited = once(holder, 'exit')
      // flock(1) ends with 1 when somebody else holds the lock.
      const lock = async (): Promise<number | null> =>
        (await run('flock', ['--exclusive', '--nonblock', repository.path, 'true'])).status
      try {
        for (let tries = 0; (await lock()) === 0 && tries < 100; tries++) await sleep(50)
        assert.equal(await lock(), 1, 'the repository is locked')
        for (const reader of tools) await repository.as(reader).ok('gc', '--dry-run')
      } finally {
        holder.kill('SIGTERM')
        await exited
      }
      assert.equal(await lock(), 0, 'the lock is free again')
    })
  }

  test('a repository on a file system that is full or read-only is left sound', async () => {
    const mountPoint = join(scratch, 'small')
    mkdirSync(mountPoint)
    await runOk('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mountPoint])
    const small = await ToolRepository.init('sluice', join(mountPoint, 'r'))
    const first = await small.run('oci', 'pull', layout.reference('rich'), 'rich')
    assert.notEqual(first.status, 0, 'there was room for everything')
    assert.match(await small.as('cfsctl').ok('fsck'), /^status: ok$/m)
    await runOk('mount', ['-o', 'remount,ro', mountPoint])
    const second = await small.run('oci', 'pull', layout.reference('rich'), 'rich')
    assert.notEqual(second.status, 0)
    assert.match(second.stderr, /read-only|EROFS/i)
    assert.match(await small.as('cfsctl').ok('fsck'), /^status: ok$/m)
  })

  test('user attributes are in the image on request', { skip: notYet('create-image') }, async () => {
    const made = await ToolRepository.init('sluice', join(scratch, 'user-xattrs'))
    const id = await made.ok('create-image', '--xattrs', 'keep-user-xattrs', root)
    const xattr = (name: string): boolean => isCapability(name) || name.startsWith('user.')
    const expected = composefsView(await listTree(root, { xattr }), 1)
    assert.ok([...expected.values()].some((line) => line.includes('user.note')))
    await mountEquals(made, id.replace(/^sha512:/, ''), expected, { xattr })
  })
})
