import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openOrInit } from '../../src/index.js'
import { temporaryDirectory } from '../helpers/temporary.js'

test('who makes a repository need not want to hear of it', async (t) => {
  const path = join(temporaryDirectory(t), 'repo')
  const repository = await openOrInit(path, { insecure: true }, { init: true })
  t.after(() => repository.close())
  assert.equal(repository.path, path)
})
