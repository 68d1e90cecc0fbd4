/**
 * Power is cut at random moments of a session of pulls, untag and gc, on a disk that then loses what it had not been told to
 * flush: the repository opens, no image that it names is damaged, a tag that was synced is there, and a pull completes
 * with the same ids and leaves nothing damaged.
 *
 * Meanwhile another program syncs small files of its own, so that the journal is written at other moments than Sluice's,
 * with names of files whose content is not on the disk yet.
 *
 * `SLUICE_CUTS` is the number of cuts for each file system, 12 unless given.
 */
import assert from 'node:assert/strict'
import { closeSync, cpSync, existsSync, fsyncSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { checkOciRepository } from '../../src/pipelines/fsck.js'
import {
  compileRecorder,
  missingForDisk,
  RecordedDisk,
  withMounted,
  type DiskLog,
  type FileSystem,
} from '../helpers/faults-disk.js'
import { contentOf, smallLayout, withRepository } from '../helpers/faults-repository.js'
import type { OciLayout } from '../helpers/system-images.js'
import { runOk, scratchFolder, toolCommand } from '../helpers/system-run.js'

const cuts = Number(process.env['SLUICE_CUTS'] ?? 12)
const folder = scratchFolder('power-loss')

for (const fileSystem of ['ext4', 'xfs'] as const) {
  test(`${fileSystem}: power loss`, { skip: missingForDisk(fileSystem) }, async (t) => {
    const home = join(folder, fileSystem)
    const layout = await smallLayout(join(folder, `layout-${fileSystem}`))
    const { log, promises } = await record(home, fileSystem, layout)
    const expected = await undisturbed(join(folder, `reference-${fileSystem}`), layout)
    const image = join(home, 'cut.img')
    const mountPoint = join(home, 'cut')
    for (let cut = 0; cut < cuts; cut++) {
      const count = Math.floor(Math.random() * (log.length + 1))
      // Nothing, half or all of what was not flushed.
      const kept = (cut % 3) / 2
      await log.cut(image, count, kept)
      const when = `${fileSystem}: power cut after ${count} of ${log.length} records, ${kept} of the rest kept`
      const wanted = promises.filter(
        ({ from, to }) => log.recordsBefore(from) <= count && count <= log.recordsBefore(to),
      )
      await withMounted(image, mountPoint, () =>
        check(
          join(mountPoint, 'repo'),
          layout,
          expected,
          wanted.map(({ tag }) => tag),
          when,
        ),
      )
      rmSync(image)
    }
    t.diagnostic(`${cuts} cuts in ${log.length} records`)
  })
}

/** A tag that was on the disk from one position of the log to another. */
interface Promised {
  readonly tag: string
  readonly from: number
  readonly to: number
}

/** Records the session. */
async function record(
  home: string,
  fileSystem: FileSystem,
  layout: OciLayout,
): Promise<{ log: DiskLog; promises: readonly Promised[] }> {
  const promises: Promised[] = []
  const log = await RecordedDisk.record(await compileRecorder(folder), home, fileSystem, async (disk) => {
    const repo = join(disk.mountPoint, 'repo')
    const sluice = (...args: string[]) => runOk(...programOf('--repo', repo, ...args))
    const pull = (tag: string) => sluice('pull', '--threads', '2', layout.reference(tag), tag)
    const synced = async () => {
      await runOk('sync', ['-f', disk.mountPoint])
      return disk.position
    }
    await besideOthers(disk.mountPoint, async () => {
      await pull('v1')
      const from = await synced()
      await pull('v2')
      promises.push({ tag: 'v1', from, to: disk.position })
      await sluice('oci', 'untag', 'v1')
      await sluice('gc')
      promises.push({ tag: 'v2', from: await synced(), to: Infinity })
      await pull('v1')
    })
  })
  return { log, promises }
}

function programOf(...args: string[]): [string, string[]] {
  const [command, ...before] = toolCommand('sluice')
  return [command, [...before, ...args]]
}

/**
 * Runs a command as after the start of the machine: by its boot id and by how long it has been up Sluice knows what can be
 * in the page cache alone.
 */
async function afterReboot(...args: string[]): Promise<void> {
  const [command, rest] = programOf(...args)
  const script = `
    mount --bind "$1" /proc/sys/kernel/random/boot_id
    mount --bind "$2" /proc/uptime
    shift 2
    exec "$@"`
  const files = ['boot-id', 'uptime'].map((name) => join(folder, name))
  writeFileSync(files[0], '00000000-0000-4000-8000-000000000000\n')
  writeFileSync(files[1], '0.20 0.20\n')
  const shell = ['sh', '-e', '-c', script, 'sh', ...files]
  await runOk('unshare', ['--mount', '--propagation', 'private', ...shell, command, ...rest])
}

/** Syncs small files on the same file system while `work` runs. */
async function besideOthers(directory: string, work: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const others = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      const fd = openSync(join(directory, `other-${i % 8}`), 'w')
      writeSync(fd, `${i}`)
      fsyncSync(fd)
      closeSync(fd)
      await sleep(Math.random() * 20)
    }
  })()
  try {
    await work()
  } finally {
    over.abort()
    await others
  }
}

/** What the repository holds after the two pulls. */
async function undisturbed(repo: string, layout: OciLayout): Promise<ReadonlyMap<string, string>> {
  for (const tag of ['v1', 'v2']) await runOk(...programOf('--repo', repo, 'pull', layout.reference(tag), tag))
  await withRepository(repo, (it) => collectGarbage(it))
  return contentOf(repo)
}

async function check(
  repo: string,
  layout: OciLayout,
  expected: ReadonlyMap<string, string>,
  tags: readonly string[],
  when: string,
): Promise<void> {
  if (existsSync(join(repo, 'meta.json'))) {
    // What nothing refers to may be damaged, so it is collected first.
    const collected = `${repo}-collected`
    cpSync(repo, collected, { recursive: true, verbatimSymlinks: true })
    await withRepository(collected, (it) => collectGarbage(it))
    await assertIntact(collected, tags, `${when}: as found`)
    rmSync(collected, { recursive: true })
  }
  for (const tag of ['v1', 'v2']) await afterReboot('--repo', repo, 'pull', layout.reference(tag), tag)
  await withRepository(repo, (it) => collectGarbage(it))
  await assertIntact(repo, ['v1', 'v2'], `${when}: after the pulls`)
  assert.deepEqual(contentOf(repo), expected, when)
}

async function assertIntact(repo: string, tags: readonly string[], when: string): Promise<void> {
  await withRepository(repo, async (repository) => {
    const { errors, repo: found } = await checkOciRepository(repository)
    assert.deepEqual([...found.errors, ...errors], [], when)
    const present = repository.streams.refs('oci').map(({ name }) => name.slice('oci/'.length))
    for (const tag of tags)
      assert.ok(present.includes(tag), `${when}: tag ${tag} is lost, there are: ${present.join(', ')}`)
  })
}
