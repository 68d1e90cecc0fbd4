/** Parents of a commit, pulled with it (ostree.md §3.8, depth). */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { ostreeObjectPath } from '../../src/formats/ostree/object-type.js'
import { parseOstreeId } from '../../src/formats/ostree/ostree-id.js'
import { tagOstreeCommit } from '../../src/pipelines/ostree-commits.js'
import type { OstreePullEvent } from '../../src/pipelines/ostree-events.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { pullOstree, pullOstreeCommit } from '../../src/pipelines/pull-ostree.js'
import type { Repository } from '../../src/repository/repository.js'
import { openLocalOstree } from '../../src/stages/ostree/local-source.js'
import { openRemoteOstree } from '../../src/stages/ostree/remote-source.js'
import { loadTrustedKeys } from '../../src/stages/ostree-verify/trusted-keys.js'
import { sluice } from '../helpers/cli.js'
import { serveOstree } from '../helpers/ostree-server.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, vectorPath } from '../helpers/vectors.js'

const skip = !hasVector('ostree', 'expected.json') && 'not in the set of vectors at hand'

/** C1 is the parent of C2, which is `alpha/main`. */
const ids = () => readJsonVector<{ ids: Record<'C1' | 'C2', string> }>('ostree', 'expected.json').ids

const refs = (repository: Repository) =>
  repository.streams
    .refs('ostree')
    .map(({ name }) => name)
    .sort()
const MAIN = 'ostree/alpha%2Fmain'

/** What stores of objects answer for what they do not have. */
function forbidden(response: ServerResponse, body: Buffer | undefined): boolean {
  if (body !== undefined) return false
  response.writeHead(403).end()
  return true
}

test('parents get names that gc keeps; the next pull of a history sets them anew', { skip }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const alone = await temporaryRepository(t)
  const open = async () => openLocalOstree(archive)
  const options = { ref: 'alpha/main', threads: 0 }
  const { parents } = await pullOstreeCommit(repository, open, { ...options, depth: Number.POSITIVE_INFINITY })
  assert.deepEqual(parents, [ids().C1])
  assert.deepEqual(refs(repository), [MAIN, `${MAIN}~1`])

  // The same as if it had been pulled by itself.
  const single = await pullOstreeCommit(alone, open, { ref: ids().C1, threads: 0 })
  const again = await pullOstreeCommit(repository, open, { ref: ids().C1, threads: 0 })
  assert.deepEqual([again.image, again.fetched.metadata, again.fetched.files], [single.image, 0, 0])

  const before = repository.streams.entries().length
  await collectGarbage(repository)
  assert.equal(repository.streams.entries().length, before)
  assert.deepEqual((await checkRepository(repository)).errors, [])

  // Without a depth, names of this form are left alone: they may be somebody's own.
  await tagOstreeCommit(repository, ids().C2, 'alpha/main~7')
  await pullOstreeCommit(repository, open, options)
  assert.deepEqual(refs(repository), [MAIN, `${MAIN}~1`, `${MAIN}~7`])
  await pullOstreeCommit(repository, open, { ...options, depth: 1 })
  assert.deepEqual(refs(repository), [MAIN, `${MAIN}~1`])
})

test('what a commit and its parent have in common is fetched once', { skip }, async (t) => {
  const { url, log } = await serveOstree(t, unpackOstree(t, 'archive'))
  const repository = await temporaryRepository(t)
  const open = async () => openRemoteOstree(repository, url, { env: {} })
  await pullOstreeCommit(repository, open, { ref: 'alpha/main', depth: 1, deltas: false, threads: 0 })
  const objects = log.filter((line) => line.startsWith('/objects/'))
  assert.ok(objects.length > 0)
  assert.deepEqual([...new Set(objects)], objects)
  assert.deepEqual(refs(repository), [MAIN, `${MAIN}~1`])
})

test('a parent that the source lacks ends the history', { skip }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  rmSync(join(archive, ostreeObjectPath(parseOstreeId(ids().C1), 'commit')))
  const server = await serveOstree(t, archive)
  const { url } = server
  for (const where of ['directory', 'server', 'store of objects']) {
    if (where === 'store of objects') server.fault = (_request, response, body) => forbidden(response, body)
    const repository = await temporaryRepository(t)
    const open = async () =>
      where === 'directory' ? openLocalOstree(archive) : openRemoteOstree(repository, url, { env: {} })
    const events: OstreePullEvent[] = []
    const pull = pullOstree(repository, open, { ref: 'alpha/main', depth: 5, deltas: false, threads: 0 })
    await pull.forEach((event) => void events.push(event))
    const last = events.at(-1)!
    assert.ok(last.type === 'completed')
    assert.deepEqual(last.result.parents, [])
    assert.ok(events.some((event) => event.type === 'warning' && event.text.includes('does not have its parent')))
    assert.deepEqual(refs(repository), [MAIN])
  }
})

test('a parent must be signed as the commit is', { skip }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const keys = (await loadTrustedKeys({ gpgKeyring: vectorPath('ostree', 'keys', 'key.gpg') }))!
  const pulled = pullOstreeCommit(repository, async () => openLocalOstree(archive), {
    ref: 'alpha/main',
    depth: 1,
    keys,
    threads: 0,
  })
  await assert.rejects(pulled, { code: 'SLUICE_POLICY' })
  assert.deepEqual(refs(repository), [MAIN])
})

test('on the command line', { skip }, async (t) => {
  const archive = unpackOstree(t, 'archive')
  const repository = await temporaryRepository(t)
  const run = (...words: string[]) => sluice(['--insecure', '--repo', repository.path, 'ostree', ...words])
  const pulled = await run('pull-local', archive, 'alpha/main', '--depth', '-1')
  assert.equal(pulled.status, 0, pulled.stderr)
  assert.match(pulled.stdout, /^parents 1$/m)
  const parent = await run('inspect', 'alpha/main~1')
  assert.match(parent.stdout, new RegExp(ids().C1))
  assert.equal((await run('pull-local', archive, 'alpha/main', '--depth', '-2')).status, 2)
  rmSync(join(archive, ostreeObjectPath(parseOstreeId(ids().C1), 'commit')))
  const other = await temporaryRepository(t)
  const words = ['--insecure', '--repo', other.path, 'ostree', 'pull-local', archive, 'alpha/main', '--depth', '1']
  const { status, stderr } = await sluice(words)
  assert.equal(status, 0)
  assert.match(stderr, /^warning: the history ends at commit/)
})
