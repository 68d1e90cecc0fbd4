/** Exports that are killed: what is there is complete, and the next one goes on to the same end. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { hashMetadata } from '../../src/formats/ostree/ostree-id.js'
import { pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import { openTarget } from '../../src/stages/ostree-export/target-repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { writeArchive } from '../helpers/ostree-archive.js'
import { stagingLeftovers } from '../helpers/ostree-export.js'
import { openFilez, storedObjects } from '../helpers/ostree-objects.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const FILES = 800

/** Every object is what its name says; gives how many there are. */
function checkObjects(repository: string): number {
  let count = 0
  for (const { id, suffix, bytes } of storedObjects(repository)) {
    const file = suffix === 'filez' ? openFilez(bytes) : undefined
    assert.equal(file === undefined ? hashMetadata(bytes) : fileId(file.header, file.content), id, suffix)
    count++
  }
  return count
}

const stagedFiles = (repository: string): number =>
  stagingLeftovers(repository).reduce((sum, name) => sum + readdirSync(join(repository, 'tmp', name)).length, 0)

/** Runs an export and kills it when `isTime`; gives whether it was. */
async function exportAndKill(repo: string, path: string, isTime: () => boolean): Promise<boolean> {
  const args = ['--repo', repo, 'ostree', 'export', '--reference', 'out', 'made', path]
  const child = spawn(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' },
    stdio: 'ignore',
  })
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>
  while (child.exitCode === null && !isTime()) await sleep(1)
  child.kill('SIGKILL')
  const [, signal] = await ended
  return signal === 'SIGKILL'
}

async function manyFiles(t: TestContext): Promise<{ repo: string; path: string }> {
  const source = join(temporaryDirectory(t), 'source')
  const file = (i: number): [string, Buffer] => [`f${i}`, noise(100 + (i % 500), `e${i}`)]
  writeArchive(source, new Map(Array.from({ length: FILES }, (_, i) => file(i))))
  const repository = await temporaryRepository(t)
  await pullOstreeCommit(repository, async () => openLocalOstree(source), { ref: 'made', threads: 0 })
  const path = join(temporaryDirectory(t), 'exported')
  openTarget(path, 'archive')
  return { repo: repository.path, path }
}

test('a killed export leaves whole objects and no ref, and the next one completes it', async (t) => {
  const { repo, path } = await manyFiles(t)
  const moments = [
    () => stagedFiles(path) > 0,
    // Objects are moved one by one, in some 10 ms.
    () => readdirSync(join(path, 'objects')).length > 0,
    () => readdirSync(join(path, 'objects')).length > 100,
  ]
  let kills = 0
  for (const isTime of moments) {
    const wasKilled = await exportAndKill(repo, path, isTime)
    if (wasKilled) kills++
    checkObjects(path)
    assert.equal(existsSync(join(path, 'refs/heads/out')), !wasKilled)
    for (const name of stagingLeftovers(path)) rmSync(join(path, 'tmp', name), { recursive: true })
  }
  assert.ok(kills > 0)
  assert.equal(await exportAndKill(repo, path, () => false), false)
  // Files, and the root, its metadata, the commit.
  assert.equal(checkObjects(path), FILES + 3)
  assert.deepEqual(stagingLeftovers(path), [])

  const other = await temporaryRepository(t)
  const back = await pullOstreeCommit(other, async () => openLocalOstree(path), { ref: 'out', threads: 0 })
  assert.equal(back.commit, readFileSync(join(path, 'refs/heads/out'), 'utf8').trim())
  assert.equal(back.fetched.files, FILES)
})
