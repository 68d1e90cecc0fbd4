/** The table that a collection keeps its objects in, against a Map. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { toByteString } from '../../src/formats/bytes.js'
import { digestLength, type ObjectId } from '../../src/formats/digest.js'
import { ObjectTable } from '../../src/formats/splitstream/read.js'
import { DigestTable } from '../../src/stages/walk/digest-table.js'

const algorithms = ['sha256', 'sha512'] as const
const idOf = (algorithm: 'sha256' | 'sha512', i: number) =>
  createHash(algorithm).update(`${i}`).digest('hex') as ObjectId

test('ids get numbers in the order in which they come, by whichever way', () => {
  const step = fc.record({ first: fc.nat(300), count: fc.nat(3000), way: fc.constantFrom('id', 'table', 'file') })
  fc.assert(
    fc.property(fc.constantFrom(...algorithms), fc.array(step, { maxLength: 6 }), (algorithm, steps) => {
      const table = new DigestTable(algorithm)
      const model = new Map<ObjectId, number>()
      for (const { first, count, way } of steps) {
        const ids = Array.from({ length: count }, (_, i) => idOf(algorithm, first + i))
        const expected = ids.map((id) => {
          const number = model.get(id) ?? model.size
          model.set(id, number)
          return number
        })
        const numbers =
          way === 'table'
            ? [...table.addTable(new ObjectTable(Buffer.from(ids.join(''), 'hex'), algorithm))]
            : ids.map((id) =>
                way === 'id' ? table.add(id) : table.addFile(Number.parseInt(id.slice(0, 2), 16), id.slice(2)),
              )
        assert.deepEqual(numbers, expected)
      }
      assert.equal(table.size, model.size)
      for (const [id, number] of model) {
        assert.equal(table.numberOf(id), number)
        assert.equal(table.at(number), id)
      }
      const other = idOf(algorithm, -1)
      assert.equal(table.has(other), false)
      assert.equal(table.numberOfFile(Number.parseInt(other.slice(0, 2), 16), other.slice(2)), -1)
    }),
    { numRuns: 20 },
  )
})

for (const algorithm of algorithms) {
  test(`names of ${algorithm} objects are told from others`, () => {
    const table = new DigestTable(algorithm)
    const id = idOf(algorithm, 1)
    const [directory, name] = [Number.parseInt(id.slice(0, 2), 16), id.slice(2)]
    assert.equal(table.addFile(directory, name), 0)
    assert.equal(table.numberOfFile(directory, name.toUpperCase()), 0, 'by value, as the reference judges')
    assert.equal(table.numberOfFile(directory ^ 1, name), -1)
    const length = 2 * digestLength[algorithm] - 2
    for (const wrong of [
      '',
      name.slice(1),
      `${name}0`,
      `g${name.slice(1)}`,
      `${name.slice(1)}g`,
      toByteString(Buffer.from('\u0161'.repeat(length / 2))),
    ]) {
      assert.equal(table.numberOfFile(directory, wrong), undefined, wrong)
      assert.equal(table.addFile(directory, wrong), undefined, wrong)
    }
    assert.equal(table.size, 1)
  })
}
