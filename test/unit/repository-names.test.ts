/** Names of streams, images and refs that could lead out of their directory, or nowhere (repository.md §2.6). */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { checkName } from '../../src/repository/names.js'
import { temporaryRepository } from '../helpers/temporary.js'

const isUsage = (error: unknown): boolean => error instanceof SluiceError && error.code === 'SLUICE_USAGE'

const bad = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/..',
  'a/../b',
  './a',
  'a\0',
  'x'.repeat(256),
  '\u00e9'.repeat(128),
]

test('names that are no path below their directory are refused, all others taken', () => {
  for (const name of bad) assert.throws(() => checkName(name, 'name'), isUsage, name)
  for (const name of ['a', 'a/b', '...', '.a', 'a..b', 'x'.repeat(255), `${'x'.repeat(255)}/b`]) checkName(name, 'name')
})

test('no name of a link reaches what is outside of its directory', async (t) => {
  const { path, streams } = await temporaryRepository(t)
  writeFileSync(join(path, 'outside'), '')
  const before = readdirSync(path)
  for (const name of [...bad, '../../outside']) {
    assert.throws(() => streams.objectOf(name), isUsage, name)
    assert.throws(() => streams.linkRef(name, 'entry'), isUsage, name)
    assert.throws(() => streams.refEntry(name), isUsage, name)
    assert.throws(() => streams.unlinkRef(name), isUsage, name)
  }
  assert.ok(existsSync(join(path, 'outside')))
  assert.deepEqual(readdirSync(path), before)
})
