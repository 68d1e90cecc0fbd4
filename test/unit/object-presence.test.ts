/** Layers lack an object, or have them all: the same whether names are listed or looked up one by one. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import { ObjectTable } from '../../src/formats/splitstream/read.js'
import { haveAllObjects } from '../../src/repository/object-presence.js'
import type { ObjectStore } from '../../src/repository/objects.js'
import { temporaryRepository } from '../helpers/temporary.js'

/** Presence is by name: the objects are empty files. */
function addObjects(store: ObjectStore, count: number): ObjectId[] {
  const ids = Array.from({ length: count }, () => randomBytes(32).toString('hex') as ObjectId)
  for (const directory of new Set(ids.map((id) => dirname(store.path(id))))) mkdirSync(directory, { recursive: true })
  for (const id of ids) writeFileSync(store.path(id), '')
  return ids
}

const tableOf = (ids: readonly ObjectId[]) => new ObjectTable(Buffer.from(ids.join(''), 'hex'), 'sha256')

for (const [how, count, others] of [
  ['few objects', 30, 0],
  ['many objects', 1100, 0],
  ['many objects among many more', 1100, 2500],
] as const) {
  test(`${how}: a layer is whole until it lacks one`, async (t) => {
    const { objects: store } = await temporaryRepository(t, { algorithm: 'sha256' })
    addObjects(store, others)
    const ids = addObjects(store, count)
    const [first, second, shared] = [ids.slice(0, count / 2), ids.slice(count / 2), ids]
    const tables = [tableOf(first), tableOf(second), tableOf(shared), tableOf([])]
    assert.deepEqual(haveAllObjects(store, tables), [true, true, true, true])

    for (const lost of [second[0], second[Math.floor(second.length / 2)]]) {
      rmSync(store.path(lost))
      assert.deepEqual(haveAllObjects(store, tables), [true, false, false, true])
      // Another object under nearly the same name does not make up for it.
      writeFileSync(`${store.path(lost)}0`, '')
      writeFileSync(store.path(lost).slice(0, -1), '')
      assert.deepEqual(haveAllObjects(store, tables), [true, false, false, true])
      writeFileSync(store.path(lost), '')
      assert.deepEqual(haveAllObjects(store, tables), [true, true, true, true])
    }

    rmSync(dirname(store.path(first[0])), { recursive: true })
    assert.equal(haveAllObjects(store, tables)[0], false)
    rmSync(store.directory, { recursive: true })
    assert.deepEqual(haveAllObjects(store, tables), [false, false, false, true])
    assert.deepEqual(haveAllObjects(store, []), [])
  })
}

test('ids and first bytes of a table are those it was made of', () => {
  for (const [algorithm, size] of [
    ['sha256', 32],
    ['sha512', 64],
  ] as const) {
    const bytes = randomBytes(5 * size)
    // Not at the start of its memory.
    const table = new ObjectTable(bytes.subarray(size), algorithm)
    assert.equal(table.length, 4)
    for (const [index, id] of [...table].entries()) {
      assert.equal(id, bytes.subarray((index + 1) * size, (index + 2) * size).toString('hex'))
      assert.equal(table.firstByte(index), Number.parseInt(id.slice(0, 2), 16))
    }
  }
})
