/** Stores of every maker and kind: each image gets the id that a pull of its layout gives it. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { sha256Digest } from '../../src/formats/oci/sha256-digest.js'
import { Repository } from '../../src/repository/repository.js'
import type { LayerPiece } from '../../src/stages/containers-storage/storage-image.js'
import { FileSharer, type SharingPolicy, type SourceFile } from '../../src/stages/object/share-file.js'
import { packPieces } from '../../src/stages/slab/pack-pieces.js'
import { SLAB_BYTES, type Slab } from '../../src/stages/slab/slab-pool.js'
import { importSlabs } from '../../src/stages/tar/import-layer.js'
import { checkObjects } from '../../src/workers/check-objects.js'
import { MIN_MEMORY } from '../../src/options.js'
import { openEngine } from '../../src/workers/open-engine.js'
import { Store } from '../helpers/made-storage.js'
import { OciLayout, rawTar, richLayers, skopeoCopy } from '../helpers/system-images.js'
import {
  missing,
  mountTools,
  run,
  runOk,
  scratchFolder,
  sluiceIsReplaced,
  ToolRepository,
  toolCommand,
  type RunOptions,
  type RunResult,
} from '../helpers/system-run.js'
import { endMarker, header } from '../helpers/tar-build.js'

const tools = ['podman', 'buildah', 'skopeo', 'mkfs.xfs', 'useradd', 'setpriv', 'newuidmap', 'kernel:xfs', 'loop']

function overwrite(path: string, at: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, 'X', at)
  closeSync(fd)
}

/** A pull with `--json`, begun. */
class RunningPull {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #stderr: Promise<string>
  readonly #lines: AsyncIterator<string>

  constructor([program, ...args]: readonly string[], { cwd, env }: Pick<RunOptions, 'cwd' | 'env'> = {}) {
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd, env: { ...process.env, ...env } })
    this.#stderr = text(this.#child.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Waits until bytes of a layer have been read. */
  async begun(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#lines.next()
      if (done === true) throw new Error(`it ended before: ${await this.#stderr}`)
      if ((JSON.parse(value) as { type: string }).type === 'progress') return
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async end(): Promise<{ status: number | null; stderr: string }> {
    const ended = once(this.#child, 'exit')
    while ((await this.#lines.next()).done !== true);
    const [status] = (await ended) as [number | null]
    return { status, stderr: await this.#stderr }
  }
}

/** Three layers of 60 MB: an import of them takes half a second and more. */
async function largeLayers(): Promise<Buffer[]> {
  const layer = (number: number) =>
    Array.from({ length: 50 }, (_, i) => ({
      name: `usr/${number}-${i}`,
      content: Buffer.alloc(1_200_000, `${number} ${i} and some words`),
    }))
  return Promise.all([1, 2, 3].map((number) => rawTar([{ name: 'usr/', type: 'directory' }, ...layer(number)])))
}

function skip(): string | false {
  return sluiceIsReplaced ? 'the reference cannot do all of this' : missing(...mountTools, ...tools)
}

describe('containers-storage of every maker', { skip: skip() }, () => {
  const scratch = scratchFolder('makers')
  const disk = join(scratch, 'disk')
  let layout: OciLayout
  let expected: string
  let count = 0

  before(async () => {
    mkdirSync(disk)
    await runOk('truncate', ['-s', '3000M', join(scratch, 'disk.img')])
    await runOk('mkfs.xfs', ['-q', '-m', 'reflink=1', join(scratch, 'disk.img')])
    await runOk('mount', ['-o', 'loop', join(scratch, 'disk.img'), disk])
    layout = new OciLayout(join(scratch, 'layout'))
    // podman 4 cannot make device nodes of large numbers.
    const layers = await richLayers(join(scratch, 'files'), ['var/lib/disk'])
    layout.tag('t', await layout.image(layers))
    expected = await layoutId(layout.reference('t'))
  })

  /** The image id by both tools' pulls of a layout. */
  async function layoutId(reference: string): Promise<string> {
    const ids = []
    for (const tool of ['cfsctl', 'sluice'] as const) {
      const repository = await ToolRepository.init(tool, join(scratch, `direct-${count++}`))
      await repository.ok('oci', 'pull', reference, 't')
      ids.push(await repository.ok('oci', 'compute-id', 't'))
    }
    assert.equal(ids[0], ids[1])
    return ids[0]
  }

  async function imported(
    reference: string,
    ...options: string[]
  ): Promise<{ repository: ToolRepository; printed: RunResult }> {
    const repository = await ToolRepository.init('sluice', join(disk, `repository-${count++}`))
    const printed = await repository.run('oci', 'pull', ...options, reference, 't')
    assert.equal(printed.status, 0, printed.stderr)
    assert.match(await repository.ok('oci', 'fsck'), /^oci images: 1\/1 ok$/m)
    return { repository, printed }
  }

  test('podman and overlay, by its store in the reference', async () => {
    const store = new Store(join(disk, 'podman'))
    const id = await store.podman('pull', '-q', layout.reference('t'))
    const { repository, printed } = await imported(store.reference(id))
    assert.equal(await repository.other.ok('oci', 'compute-id', 't'), expected)
    assert.match(printed.stdout.toString(), /^objects +[1-9]\d* reflinked \+ 0 copied/m)
  })

  test('podman and vfs', async () => {
    const store = new Store(join(disk, 'vfs'), 'vfs')
    const id = await store.podman('pull', '-q', layout.reference('t'))
    const { repository } = await imported(`containers-storage:${id}`, '--storage-root', store.root, '--require-reflink')
    assert.equal(await repository.other.ok('oci', 'compute-id', 't'), expected)
  })

  test('skopeo, and Docker schema 2', async () => {
    for (const [name, format] of [
      ['oci', 'oci'],
      ['docker', 'v2s2'],
    ] as const) {
      const store = new Store(join(disk, name))
      await skopeoCopy(layout.reference('t'), store.reference(`localhost/${name}:t`), '--format', format)
      const { repository, printed } = await imported(`containers-storage:${name}:t`, '--storage-root', store.root)
      assert.equal(await repository.ok('oci', 'compute-id', 't'), expected)
      assert.equal(/warning: .*Docker schema 2/.test(printed.stderr), name === 'docker')
    }
  })

  test('buildah, with its base in another store', async () => {
    const lower = new Store(join(disk, 'lower'))
    const base = await lower.podman('pull', '-q', layout.reference('t'))
    const upper = new Store(join(disk, 'upper'), 'overlay', `additionalimagestore=${lower.root}`)
    const container = await upper.buildah('from', base)
    await upper.buildah('copy', '-q', container, join(scratch, 'files/base/usr/bin'), '/usr/more')
    await upper.buildah('commit', '-q', container, 'localhost/top:t')

    const stores = ['--storage-root', upper.root, '--additional-store', lower.root]
    const { repository } = await imported('containers-storage:top:t', ...stores)
    const copied = join(scratch, 'top')
    const source = `containers-storage:[overlay@${upper.root}+${upper.root}/../run:additionalimagestore=${lower.root}]localhost/top:t`
    await skopeoCopy(source, `oci:${copied}:t`)
    assert.equal(await repository.other.ok('oci', 'compute-id', 't'), await layoutId(`oci:${copied}:t`))
  })

  test('an image takes no more space than its streams', async () => {
    const files = Array.from({ length: 60 }, (_, i) => ({
      name: `usr/${i}`,
      content: Buffer.alloc(1_700_000, `${i} and some words`),
    }))
    const own = new OciLayout(join(scratch, 'space'))
    const tar = await rawTar([{ name: 'usr/', type: 'directory' }, ...files])
    own.tag('t', await own.image([tar], { compression: 'none' }))
    const store = new Store(join(disk, 'space'))
    const id = await store.podman('pull', '-q', own.reference('t'))
    const used = (): number => {
      const { blocks, bfree, bsize } = statfsSync(disk)
      return (blocks - bfree) * bsize
    }
    await runOk('sync', ['-f', disk])
    const before = used()
    await imported(`containers-storage:${id}`, '--storage-root', store.root, '--require-reflink')
    await runOk('sync', ['-f', disk])
    assert.ok(used() - before < tar.length / 20, `${used() - before} of ${tar.length} bytes`)
  })

  test('what is hashed is what was cloned, whatever the owner of the file does to both', async (t) => {
    const { path: folder } = await ToolRepository.init('sluice', join(disk, 'changing'))
    using repository = await Repository.open(folder, { insecure: true })
    const engine = openEngine(repository, { threads: 0, maxMemory: MIN_MEMORY, layers: 1 })
    const path = join(disk, 'file')
    let settles = false
    // eslint-disable-next-line @typescript-eslint/unbound-method
    const { share } = FileSharer.prototype
    t.mock.method(FileSharer.prototype, 'share', function (this: FileSharer, source: SourceFile, how: SharingPolicy) {
      const good = readFileSync(path)
      writeFileSync(path, Buffer.alloc(good.length, 'otherwise'))
      const { atime, mtime } = statSync(path)
      if (settles) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100)
      const shared = share.call(this, source, how)
      writeFileSync(path, good)
      utimesSync(path, atime, mtime)
      linkSync(path, `${path}-${good.length}`)
      return shared
    })
    try {
      for (const [size, waits] of [
        [5120, false],
        [5120 * 2, true],
        [3 * SLAB_BYTES, false],
        [3 * SLAB_BYTES + 512, true],
      ] as const) {
        // The change time of the file tells, or was a moment ago.
        settles = waits
        const content = Buffer.alloc(size, 'as it was')
        const parts = [header({ name: 'usr', size }), content, endMarker]
        const diffId = sha256Digest(Buffer.concat(parts))
        const pieces = async function* (): AsyncGenerator<LayerPiece> {
          writeFileSync(path, content)
          yield { bytes: parts[0] }
          yield { file: { fd: openSync(path, 'r'), size, path, crc64: undefined } }
          yield { bytes: endMarker }
        }
        const policy = { required: true, hardlinks: 'never' } as const
        const { signal } = new AbortController()
        const sharer = new FileSharer(repository.objects)
        const slabs = packPieces(pieces(), { ...engine, sharer, policy, checkCrc: false, signal })
        const importing = importSlabs(repository, engine, { id: diffId, diffId }, slabs, { verify: true })
        await assert.rejects(importing, { code: 'SLUICE_DIGEST_MISMATCH' })
        const open = readdirSync('/proc/self/fd').map(
          (fd) => existsSync(`/proc/self/fd/${fd}`) && readlinkSync(`/proc/self/fd/${fd}`),
        )
        assert.deepEqual(
          open.filter((name) => name !== false && name.startsWith(`${disk}/`) && !name.endsWith('changing')),
          [],
        )
      }
    } finally {
      await engine.close()
    }
  })

  const largeSize = 12 * SLAB_BYTES
  for (const [what, change, isRefused] of [
    ['written to where it is not read yet', (path: string) => overwrite(path, largeSize - 1), true],
    ['written to where it was read', (path: string) => overwrite(path, 0), false],
    ['given another name', (path: string) => linkSync(path, `${path}, again`), false],
  ] as const) {
    test(`a large file, ${what}, is stored as it was cloned or not at all`, async () => {
      const { path: folder } = await ToolRepository.init('sluice', join(disk, what))
      using repository = await Repository.open(folder, { insecure: true })
      const engine = openEngine(repository, { threads: 0, maxMemory: MIN_MEMORY, layers: 1 })
      const path = join(disk, `file ${what}`)
      const content = Buffer.alloc(largeSize, 'as it was')
      writeFileSync(path, content)
      // Before that, a write may not show in the change time, and the clone is read.
      await setTimeout(1100)
      const parts = [header({ name: 'usr', size: largeSize }), content, endMarker]
      const name = sha256Digest(Buffer.concat(parts))
      const pieces = async function* (): AsyncGenerator<LayerPiece> {
        yield { bytes: parts[0] }
        yield { file: { fd: openSync(path, 'r'), size: largeSize, path, crc64: undefined } }
        yield { bytes: endMarker }
      }
      const { signal } = new AbortController()
      const changing = async function* (): AsyncGenerator<Slab> {
        const policy = { required: true, hardlinks: 'never' } as const
        const sharer = new FileSharer(repository.objects)
        let count = 0
        for await (const slab of packPieces(pieces(), { ...engine, sharer, policy, checkCrc: false, signal })) {
          if (++count === 2) change(path)
          yield slab
        }
      }
      try {
        const importing = importSlabs(repository, engine, { id: name, diffId: name }, changing(), { verify: false })
        const refusal = { code: 'SLUICE_DIGEST_MISMATCH', message: /was written to while it was read/ }
        if (isRefused) await assert.rejects(importing, refusal)
        else await importing
      } finally {
        await engine.close()
      }
      const { checked, damaged } = await checkObjects(repository, { onDirectory: () => undefined, signal })
      assert.deepEqual(damaged, [])
      // The file and the stream of the layer.
      assert.equal(checked, isRefused ? 0 : 2)
      assert.ok(readdirSync(repository.objects.directory).every((entry) => !entry.startsWith('.')))
    })
  }

  test('an image that podman removes in the middle, and its next import', async () => {
    const own = new OciLayout(join(scratch, 'removed'))
    own.tag('t', await own.image(await largeLayers(), { compression: 'none' }))
    const store = new Store(join(disk, 'removed'))
    const id = await store.podman('pull', '-q', own.reference('t'))
    const repository = await ToolRepository.init('sluice', join(disk, 'of-removed'))
    const sluice = [...toolCommand('sluice'), '--repo', repository.path, 'pull', '--json', '--storage-root', store.root]
    const pull = new RunningPull([...sluice, `containers-storage:${id}`, 't'])
    await pull.begun()
    pull.signal('SIGSTOP')
    await store.podman('rmi', id)
    pull.signal('SIGCONT')
    const { status, stderr } = await pull.end()
    assert.equal(status, 4, stderr)
    assert.match(stderr, /layer [0-9a-f]{64} was removed from containers-storage while it was read/)
    assert.doesNotMatch(await repository.ok('oci', 'images'), /\bt\b/)
    assert.equal((await repository.run('fsck')).status, 0)
    await store.podman('pull', '-q', own.reference('t'))
    await repository.ok('oci', 'pull', '--storage-root', store.root, `containers-storage:${id}`, 't')
    assert.equal(await repository.ok('oci', 'compute-id', 't'), await layoutId(own.reference('t')))
  })

  test('a copy where file systems share no blocks, and no copy where it is not wanted', async () => {
    const store = new Store(join(disk, 'podman'))
    const [image] = (await store.podman('images', '-q')).split('\n')
    const reference = `containers-storage:${image}`
    const repository = await ToolRepository.init('sluice', join(scratch, 'elsewhere'))
    const storage = ['--storage-root', store.root]
    const error = await repository.fails(1, 'oci', 'pull', ...storage, '--require-reflink', reference, 't')
    assert.match(error, /cannot be stored without copying it \(EXDEV\): from xfs to the repository/)
    const printed = await repository.ok('oci', 'pull', ...storage, reference, 't')
    assert.match(printed, /^objects +[1-9]\d* new \+ \d+ already present objects; [\d.]+ \w+ stored/m)
    assert.equal(await repository.other.ok('oci', 'compute-id', 't'), expected)
  })

  describe('of a user', () => {
    const user = `sluice-${process.pid}`
    const home = join(disk, 'home')
    const [node, script] = toolCommand('sluice') as [string, string]
    let image = ''
    let own = ''

    before(async () => {
      chmodSync(scratch, 0o755)
      const secret = { name: 'usr/secret', uid: 5, gid: 6, mode: 0o600, content: Buffer.alloc(5000, 'secret') }
      const layers = [
        await rawTar([{ name: 'usr/', type: 'directory', mode: 0o755 }, secret]),
        await rawTar([{ name: 'usr/other', content: Buffer.alloc(3_000_000, 'other') }, { name: 'usr/.wh.secret' }]),
      ]
      const made = new OciLayout(join(scratch, 'user'))
      made.tag('t', await made.image(layers))
      own = await layoutId(made.reference('t'))
      await runOk('useradd', ['--no-create-home', '--home-dir', home, user])
      for (const folder of [home, join(home, 'runtime')]) {
        mkdirSync(folder, { mode: 0o700 })
        await runOk('chown', [user, folder])
      }
      image = (await asUser('podman', '--storage-driver', 'overlay', 'pull', '-q', made.reference('t'))).trim()
    })

    after(async () => {
      // podman leaves a process behind that keeps the user's namespaces.
      const pid = join(home, 'runtime/libpod/tmp/pause.pid')
      if (existsSync(pid)) process.kill(Number(readFileSync(pid, 'utf8')))
      await run('userdel', ['--force', user])
    })

    const [setpriv, ...identity] = ['setpriv', '--reuid', user, '--regid', user, '--init-groups']
    const env = { HOME: home, XDG_RUNTIME_DIR: join(home, 'runtime') }

    function runAsUser(...command: string[]): Promise<RunResult> {
      return run(setpriv, [...identity, ...command], { cwd: home, env })
    }

    async function asUser(...command: string[]): Promise<string> {
      const { status, stdout, stderr } = await runAsUser(...command)
      assert.equal(status, 0, stderr)
      return stdout.toString()
    }

    test('files of other ids are read in a user namespace', async () => {
      const repository = join(home, 'repository')
      const sluice = [node, script, '--repo', repository]
      await asUser(...sluice, 'init', '--insecure')
      const printed = await asUser(...sluice, 'oci', 'pull', '--require-reflink', `containers-storage:${image}`, 't')
      assert.match(printed, /^objects +[1-9]\d* reflinked \+ 0 copied/m)
      assert.equal(await new ToolRepository('cfsctl', repository, {}).ok('--insecure', 'oci', 'compute-id', 't'), own)
      const owner = statSync(home).uid
      const objects = join(repository, 'objects')
      const [first] = readdirSync(objects)
      assert.equal(statSync(join(objects, first, readdirSync(join(objects, first))[0])).uid, owner)
    })

    /** A folder with links to these programs and no others. */
    async function onlyPrograms(name: string, programs: readonly string[]): Promise<string> {
      const folder = join(disk, name)
      mkdirSync(folder)
      for (const program of programs) {
        const { stdout } = await run('which', [program])
        symlinkSync(stdout.toString().trim(), join(folder, program))
      }
      return folder
    }

    for (const [program, needs] of [
      ['unshare', ['unshare', 'newuidmap', 'newgidmap']],
      ['buildah', ['buildah', 'newuidmap', 'newgidmap']],
    ] as const) {
      test(`without podman, ${program} makes the namespace`, async () => {
        const path = await onlyPrograms(`only-${program}`, needs)
        const repository = join(home, program)
        const sluice = ['env', `PATH=${path}`, node, script, '--repo', repository]
        await asUser(...sluice, 'init', '--insecure')
        await asUser(...sluice, 'oci', 'pull', '--require-reflink', `containers-storage:${image}`, 't')
        assert.equal(await asUser(...sluice, 'oci', 'compute-id', 't'), `${own}\n`)
      })
    }

    test('the exit status is that of the command in the namespace', async () => {
      const repository = join(home, 'full')
      const sluice = [node, script, '--repo', repository]
      await asUser(...sluice, 'init', '--insecure')
      // Only the inner command can see that.
      const found = await runOk('find', [join(home, '.local'), '-name', 'secret', '-size', '+1k'])
      const secret = found.toString().trim()
      const content = readFileSync(secret)
      writeFileSync(secret, Buffer.alloc(content.length, 'changed'))
      const { status, stderr } = await runAsUser(...sluice, 'oci', 'pull', `containers-storage:${image}`, 't')
      writeFileSync(secret, content)
      assert.equal(status, 5, stderr)
      assert.match(stderr, /usr\/secret has changed/)
    })

    test("another user's storage takes root, in a namespace or not", async () => {
      const others = new Store(join(disk, 'others'))
      await others.podman('images')
      chmodSync(others.root, 0o700)
      const repository = join(home, 'others')
      const sluice = [node, script, '--repo', repository]
      await asUser(...sluice, 'init', '--insecure')
      const { status, stderr } = await runAsUser(
        ...sluice,
        'pull',
        '--storage-root',
        others.root,
        'containers-storage:x',
      )
      assert.equal(status, 7)
      assert.match(stderr, /permission denied\nhint: [^\n]* run it as root\n/)
    })

    describe('signals reach the command in the namespace, which ends in order', () => {
      const large = new OciLayout(join(scratch, 'large'))
      let id = ''
      let imageId = ''

      before(async () => {
        large.tag('t', await large.image(await largeLayers(), { compression: 'none' }))
        imageId = await layoutId(large.reference('t'))
        id = (await asUser('podman', '--storage-driver', 'overlay', 'pull', '-q', large.reference('t'))).trim()
      })

      for (const [signal, expectedStatus] of [
        ['SIGINT', 130],
        ['SIGTERM', 143],
      ] as const) {
        test(signal, async () => {
          const repository = join(home, signal)
          const sluice = [node, script, '--repo', repository]
          await asUser(...sluice, 'init', '--insecure')
          const command = [...sluice, 'pull', '--json', `containers-storage:${id}`, 't']
          const pull = new RunningPull([setpriv, ...identity, ...command], { cwd: home, env })
          await pull.begun()
          pull.signal(signal)
          const { status, stderr } = await pull.end()
          assert.equal(status, expectedStatus, stderr)
          assert.match(stderr, new RegExp(`stopped by ${signal}; the next run goes on from here`))
          const { stdout } = await run('pgrep', ['-f', `repo ${repository}`])
          assert.equal(stdout.toString(), '')
          await asUser(...command)
          assert.equal(await asUser(...sluice, 'oci', 'compute-id', 't'), `${imageId}\n`)
        })
      }
    })

    test('without a program that makes the namespace, the error says what to install', async () => {
      const repository = join(home, 'without')
      const sluice = ['env', 'PATH=/nonexistent', node, script, '--repo', repository]
      await asUser(...sluice, 'init', '--insecure')
      const { status, stderr } = await runAsUser(...sluice, 'oci', 'pull', `containers-storage:${image}`, 't')
      assert.equal(status, 7)
      assert.match(stderr, /permission denied[^]*hint: install podman, or util-linux/)
    })
  })
})
