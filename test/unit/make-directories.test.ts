/** Directories of a repository that threads and processes make at the same moment. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { errnoOf } from '../../src/errors.js'
import { makeDirectories } from '../../src/repository/links.js'
import { mockBuiltin } from '../helpers/mock-builtin.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const isMissing = (error: unknown): boolean => errnoOf(error) === 'ENOENT'

/** Whenever a parent is missing, somebody else makes it right after that was found. */
function withHaste(t: TestContext): void {
  const { mkdirSync } = fs
  mockBuiltin(t, fs as { mkdirSync: (path: string, mode: number) => unknown }, 'mkdirSync', (path, mode) => {
    try {
      return mkdirSync(path, mode)
    } catch (error) {
      if (isMissing(error)) mkdirSync(dirname(path))
      throw error
    }
  })
}

test('a parent that somebody else makes meanwhile is as good as an own one', (t) => {
  const repository = temporaryDirectory(t)
  withHaste(t)
  makeDirectories(join(repository, 'objects/.tmp-object-abcdef'), 0o755, 1)
  assert.deepEqual(fs.readdirSync(join(repository, 'objects')), ['.tmp-object-abcdef'])
})

test('no more parents are made than may be', (t) => {
  const repository = join(temporaryDirectory(t), 'repository')
  assert.throws(() => makeDirectories(join(repository, 'objects/.tmp-object-abcdef'), 0o755, 1), isMissing)
  assert.equal(fs.existsSync(repository), false)
  makeDirectories(join(repository, 'objects/.tmp-object-abcdef'), 0o755, 2)
  assert.equal(fs.existsSync(join(repository, 'objects/.tmp-object-abcdef')), true)
})

test('a directory that cannot be is refused at once', () => {
  assert.throws(() => makeDirectories('/proc/none/of/these'), isMissing)
})
