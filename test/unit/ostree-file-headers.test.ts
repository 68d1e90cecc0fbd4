/** The headers of files that differ in little are those that each would have alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { readFileHeaders, writeFileHeaders } from '../../src/stages/ostree/file-headers.js'

const bytes = (text: string): Uint8Array => Buffer.from(text)

test('headers that are read again and again are those that were written', () => {
  const header = fc.record({
    uid: fc.constantFrom(0, 1000),
    gid: fc.constantFrom(0, 5),
    size: fc.oneof(fc.nat(100_000), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER)),
    link: fc.boolean(),
    xattrs: fc.constantFrom<[Uint8Array, Uint8Array][]>(
      [],
      [[bytes('user.a\0'), bytes('1')]],
      [[bytes('user.a\0'), bytes('2')]],
      [[bytes('user.b\0'), Buffer.alloc(1000, 'x')]],
    ),
  })
  fc.assert(
    fc.property(fc.array(header, { minLength: 1, maxLength: 30 }), (headers) => {
      for (const { uid, gid, size, link, xattrs } of headers) {
        const mode = link ? 0o120777 : 0o100644
        const written = writeFileHeaders({ uid, gid, mode, target: link ? 'there' : '', size: link ? 0 : size, xattrs })
        const memory = Buffer.concat([written.stored, Buffer.from('what follows')])
        const read = readFileHeaders(memory)
        assert.deepEqual(read, { ...written, stored: read.stored })
        assert.ok(Buffer.from(written.stored).equals(read.stored))
        // The memory is used again for the next ones.
        memory.fill(0xff)
      }
    }),
    { numRuns: 100 },
  )
})

test('a size that is too much is refused, whatever was read before', () => {
  const { stored } = writeFileHeaders({ uid: 7, gid: 7, mode: 0o100600, target: '', size: 5, xattrs: [] })
  readFileHeaders(stored)
  const wrong = Buffer.from(stored)
  wrong.writeBigUInt64BE(2n ** 53n, 8)
  assert.throws(() => readSizedZlibHeader(wrong), { code: 'SLUICE_FORMAT' })
  assert.throws(() => readFileHeaders(wrong), { code: 'SLUICE_FORMAT' })
  assert.throws(() => readFileHeaders(stored.subarray(0, 20)), { code: 'SLUICE_FORMAT' })
})

test('what a symlink states as its size does not count: old versions of ostree have the length of the target there', () => {
  const { stored, hashed } = writeFileHeaders({ uid: 0, gid: 0, mode: 0o120777, target: 'there', size: 0, xattrs: [] })
  for (const stated of [5n, 1000n, 2n ** 64n - 1n]) {
    const old = Buffer.from(stored)
    old.writeBigUInt64BE(stated, 8)
    assert.equal(readSizedZlibHeader(old).header.size, 0)
    assert.deepEqual(readFileHeaders(old), { size: 0, isSymlink: true, stored: old, hashed })
  }
})
