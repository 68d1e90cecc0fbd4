/** Deflate streams that are there as a whole: libdeflate gives what Node's zlib gives, or nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { libdeflateUsable, WholeInflater } from '../../src/native/libdeflate.js'
import { openLibrary } from '../../src/native/library.js'
import { noise } from '../helpers/registry-images.js'

const skip = libdeflateUsable() ? false : 'libdeflate is not usable here, or SLUICE_NATIVE=off'

test('libdeflate passes its test where it is installed', { skip: openLibrary('libdeflate') === undefined }, () => {
  assert.equal(libdeflateUsable(), true)
})

test('content of any kind and level, with whatever follows it', { skip }, () => {
  const inflater = new WholeInflater()
  const contents = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 1, max: 300_000 }).map((size) => noise(size, `${size}`)),
    fc.integer({ min: 1, max: 2_000_000 }).map((size) => Buffer.alloc(size, 'some words ')),
  )
  try {
    fc.assert(
      fc.property(
        contents,
        fc.integer({ min: 0, max: 9 }),
        fc.uint8Array({ maxLength: 20 }),
        (content, level, rest) => {
          const deflated = deflateRawSync(content, { level })
          const output = Buffer.alloc(content.length + 1, 0xa5)
          const room = output.subarray(0, content.length)
          assert.equal(inflater.inflate(Buffer.concat([deflated, rest]), room), content.length)
          assert.ok(room.equals(content))
          assert.equal(output[content.length], 0xa5)
          assert.equal(inflater.inflate(deflated, output), content.length)
          assert.equal(inflater.inflate(deflated, room.subarray(0, -1)), undefined)
          assert.equal(inflater.inflate(deflated.subarray(0, -1), room), undefined)
        },
      ),
      { numRuns: 60 },
    )
  } finally {
    inflater.close()
  }
})

test('a stream that is changed anywhere is refused, or decoded within its room', { skip }, () => {
  const inflater = new WholeInflater()
  const content = Buffer.from(Array.from({ length: 400 }, (_, i) => `line ${(i * 31) % 67}\n`).join(''))
  const deflated = deflateRawSync(content)
  const output = Buffer.alloc(content.length + 64, 0xa5)
  const room = output.subarray(0, content.length)
  for (let at = 0; at < deflated.length; at++) {
    for (const change of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(deflated)
      damaged[at] ^= change
      const length = inflater.inflate(damaged, room)
      assert.ok(length === undefined || length <= room.length)
    }
  }
  assert.ok(output.subarray(room.length).every((byte) => byte === 0xa5))
  inflater.close()
})
