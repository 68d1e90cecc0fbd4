/** What a pull came by, written down and read again. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { hashMetadata, parseOstreeId } from '../../src/formats/ostree/ostree-id.js'
import { PullJournal } from '../../src/stages/ostree/pull-journal.js'
import { temporaryRepository } from '../helpers/temporary.js'

const commit = parseOstreeId('ab'.repeat(32))
const [first, second, third] = ['first', 'second', 'third'].map((text) => Buffer.from(text))

async function prepare(t: TestContext) {
  const repository = await temporaryRepository(t)
  const path = join(repository.path, '.sluice/ostree', commit)
  const open = () => {
    const journal = new PullJournal(repository, commit)
    const objects = new ObjectCollection()
    journal.load(objects)
    return { journal, has: (data: Buffer) => objects.has(hashMetadata(data)) }
  }
  const add = (journal: PullJournal, data: Buffer) => {
    journal.addMetadata(hashMetadata(data), data)
    journal.end(false)
  }
  return { path, open, add }
}

test('behind a batch that is damaged nothing is written', async (t) => {
  const { path, open, add } = await prepare(t)
  add(open().journal, first)
  const { size } = statSync(path)
  for (const damage of [
    () => appendFileSync(path, 'cut'),
    () => appendFileSync(path, readFileSync(path).fill(1, 40)),
  ]) {
    damage()
    const { journal, has } = open()
    assert.ok(has(first))
    add(journal, second)
    assert.deepEqual([open().has(first), open().has(second)], [true, true])
    truncateSync(path, size)
  }
})

test('what another pull writes meanwhile stays', async (t) => {
  const { path, open, add } = await prepare(t)
  add(open().journal, first)
  const { size } = statSync(path)
  add(open().journal, second)
  const rest = readFileSync(path).subarray(size + 10)
  // The other one is in the middle of its batch when this one reads.
  truncateSync(path, size + 10)
  const { journal } = open()
  appendFileSync(path, rest)
  add(journal, third)
  assert.deepEqual(
    [first, second, third].map((data) => open().has(data)),
    [true, true, true],
  )
})
