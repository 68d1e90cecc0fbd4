/** The CRC-64 of the library is that of the portable code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import { createCrc64 } from '../../src/native/crc64.js'

const ENOUGH = 1 << 20

test('in pieces of any size, of any memory', () => {
  const shared = Buffer.from(new SharedArrayBuffer(200_000)).map((_, i) => (i * i * 7) % 253)
  const own = Buffer.alloc(200_000, 'some words ')
  const piece = fc
    .record({ start: fc.nat(1000), length: fc.nat(100_000), memory: fc.constantFrom(shared, own) })
    .map(({ start, length, memory }) => memory.subarray(start, start + length))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const [native, portable] = [createCrc64(ENOUGH), new Crc64()]
      for (const bytes of pieces) {
        native.update(bytes)
        portable.update(bytes)
        assert.deepEqual(native.digest(), portable.digest())
      }
    }),
    { numRuns: 100 },
  )
})

test('the check value', () => {
  const digits = Buffer.from('123456789')
  assert.equal(createCrc64(digits.length).update(digits).digest().toString('hex'), 'b90956c775a41001')
  assert.equal(createCrc64(ENOUGH).update(digits).digest().toString('hex'), 'b90956c775a41001')
  assert.equal(createCrc64(ENOUGH).digest().toString('hex'), '0000000000000000')
})
