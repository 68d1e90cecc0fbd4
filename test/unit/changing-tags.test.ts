/** What reads under the shared lock, while another process tags, untags, and stores streams anew. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { objectPath } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { requireObjectLink } from '../../src/repository/link-listing.js'
import { collectGarbage } from '../../src/pipelines/gc.js'
import { measureRepository } from '../../src/pipelines/stats.js'
import { storeDocument } from '../helpers/stored-graph.js'
import { temporaryRepository } from '../helpers/temporary.js'

const ROUNDS = 15

/** Argument: the repository; then the text of two links. */
const changer = `
const { renameSync, symlinkSync, unlinkSync } = require('node:fs')
const [root, ...targets] = process.argv.slice(1)
const names = Array.from({ length: 100 }, (_, i) => root + '/streams/refs/oci/tag' + i)
process.stdout.write('ready')
for (let round = 0; ; round++) {
  symlinkSync(targets[round % 2], root + '/.symlink-abcdefghijkl')
  renameSync(root + '/.symlink-abcdefghijkl', root + '/streams/kept')
  if (round < 20) symlinkSync(targets[0], root + '/streams/entry' + round)
  for (const name of names) symlinkSync('../../entry' + (round % 20), name)
  for (const name of names) unlinkSync(name)
}`

test('tags that come and go meanwhile are no damage', async (t) => {
  const repository = await temporaryRepository(t)
  const { stream: one } = await storeDocument(repository, contentType.blob, Buffer.from('one'))
  const { stream: other } = await storeDocument(repository, contentType.blob, Buffer.from('other'))
  await repository.nameStream('kept', one)
  repository.streams.linkRef('kept', 'kept')
  mkdirSync(repository.streams.path('refs/oci'), { recursive: true })
  const targets = [one, other].map((id) => `../objects/${objectPath(id)}`)
  const child = spawn(process.execPath, ['-e', changer, repository.path, ...targets], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  try {
    await once(child.stdout, 'data')
    for (let round = 0; round < ROUNDS; round++) {
      assert.deepEqual((await checkRepository(repository, { threads: 0 })).errors, [])
      await collectGarbage(repository, { dryRun: true })
      await measureRepository(repository)
    }
    assert.equal(child.exitCode, null)
  } finally {
    child.kill()
    await ended
  }
})

/** Arguments: as above. Each link stays for about a millisecond. */
const flipper = `
const { renameSync, symlinkSync } = require('node:fs')
const [root, ...targets] = process.argv.slice(1)
for (let round = 0; ; round++) {
  symlinkSync(targets[round % 2], root + '/.symlink-abcdefghijkl')
  renameSync(root + '/.symlink-abcdefghijkl', root + '/streams/flipped')
  if (round === 2) process.stdout.write('ready')
  for (const end = performance.now() + 1; performance.now() < end; );
}`

test('a link that becomes another and the same again leads where it says', async (t) => {
  const { path: root, objects } = await temporaryRepository(t)
  const ids = ['one', 'other'].map((content) => objects.store(Buffer.from(content)).id)
  mkdirSync(join(root, 'streams'), { recursive: true })
  const targets = ids.map((id) => `../objects/${objectPath(id)}`)
  const child = spawn(process.execPath, ['-e', flipper, root, ...targets], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    await once(child.stdout, 'data')
    for (let i = 0; i < 15_000; i++) requireObjectLink(root, 'streams/flipped', ids[i % 2])
  } finally {
    child.kill()
    await ended
  }
})
