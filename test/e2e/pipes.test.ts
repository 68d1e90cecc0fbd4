/** Pipes in place of files of a repository, ours or a local one of ostree: nobody writes to them, so nobody must wait for them. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from '../helpers/vectors.js'
import { writeArchive } from '../helpers/ostree-archive.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

/** Gives what the command says when it fails; one that waits is ended, which shows in its status. */
function failure(...args: string[]): string {
  const ran = spawnSync(process.execPath, [join(projectRoot, 'bin/sluice.js'), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  assert.ok(ran.status !== null && ran.status > 0, `status ${ran.status}, signal ${ran.signal}: ${ran.stderr}`)
  return ran.stderr
}

function becomePipe(path: string): void {
  rmSync(path)
  execFileSync('mkfifo', [path])
}

test('meta.json, and the object that tells what a repository without one is', async (t) => {
  const { path, objects } = await temporaryRepository(t)
  const { id } = objects.store(Buffer.from('object'))
  const metadata = join(path, 'meta.json')
  becomePipe(metadata)
  for (const command of [['fsck'], ['gc'], ['init', '--ensure'], ['init']]) {
    assert.match(failure('--repo', path, ...command), new RegExp(`${metadata} is not a regular file`))
  }
  rmSync(metadata)
  becomePipe(objects.path(id))
  // It is upgraded, by the name of the object alone; the check finds the pipe.
  assert.match(failure('--repo', path, 'fsck'), /integrity check failed/)
})

test('a ref and the configuration', async (t) => {
  const { path } = await temporaryRepository(t)
  const source = join(temporaryDirectory(t), 'source')
  writeArchive(source, new Map([['a', Buffer.from('content')]]))
  for (const file of ['refs/heads/made', 'config']) {
    becomePipe(join(source, file))
    const said = new RegExp(`${join(source, file)} is not a regular file`)
    assert.match(failure('--insecure', '--repo', path, 'ostree', 'pull-local', source, 'made'), said)
    assert.match(failure('--insecure', '--repo', path, 'ostree', 'list-refs', source), said)
  }
})

const isRoot = process.getuid?.() === 0

test('xattrs in files of their own, to which a link does not lead either', { skip: !isRoot }, async (t) => {
  const { path } = await temporaryRepository(t)
  const source = unpackOstree(t, 'bare-split-xattrs')
  const objects = join(source, 'objects')
  const links = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.file-xattrs-link'),
  )
  const file = join(objects, links[0])
  const pull = () => failure('--insecure', '--repo', path, 'ostree', 'pull-local', source, 'alpha/main')
  renameSync(file, `${file}.away`)
  symlinkSync(`${file}.away`, file)
  assert.match(pull(), new RegExp(`ELOOP.*${file}`))
  becomePipe(file)
  assert.match(pull(), new RegExp(`${file} is not a regular file`))
})
