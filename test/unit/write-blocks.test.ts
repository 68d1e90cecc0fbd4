/** Bytes that wait for their write stay what they were, whatever becomes of the memory they came from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { WriteBlocks } from '../../src/repository/parts/write-blocks.js'

test('what is taken is what was appended, in order, also while earlier blocks are still being written', () => {
  const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 600_000 }), fc.constantFrom('keep', 'take', 'done')), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(pieces, fc.constantFrom(0, 1000, 3_000_000), (steps, most) => {
      const waiting = new WriteBlocks(most)
      const source = Buffer.alloc(600_000)
      const writes: { readonly taken: ReturnType<WriteBlocks['take']>; readonly expected: Buffer }[] = []
      let expected = Buffer.alloc(0)
      for (const [i, [length, then]] of steps.entries()) {
        source.fill(i + 1)
        waiting.append(source.subarray(0, length))
        expected = Buffer.concat([expected, source.subarray(0, length)])
        assert.equal(waiting.length, expected.length)
        if (then === 'keep') continue
        writes.push({ taken: waiting.take(), expected })
        expected = Buffer.alloc(0)
        if (then === 'done') for (const write of writes.splice(0)) finish(write)
      }
      writes.forEach(finish)
    }),
    { numRuns: 50 },
  )
})

function finish({ taken, expected }: { taken: ReturnType<WriteBlocks['take']>; expected: Buffer }): void {
  assert.equal(taken.length, expected.length)
  assert.ok(Buffer.concat(taken.blocks).equals(expected))
  taken.done()
}
