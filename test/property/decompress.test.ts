import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compress as zstdCompress } from '@mongodb-js/zstd'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { decodeRefName, encodeRefName } from '../../src/formats/ref-file-name.js'
import { parseReferenceOrName } from '../../src/formats/oci/reference.js'
import { parseChallenges } from '../../src/stages/fetch/registry/challenge.js'
import { decompress } from '../../src/stages/decompress/decompress.js'
import { readAll } from '../helpers/registry-client.js'

/** Data with repetitions near and far, as compressors find them. */
const data = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 300 })), { maxLength: 12 })
  .map((runs) =>
    Buffer.concat(runs.flatMap(([piece, count]) => Array.from({ length: count }, () => Buffer.from(piece)))),
  )

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]
    yield bytes.subarray(at, at + size)
    at += size
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 5 })

test('what was compressed comes out, whatever the members, levels and pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(data, { minLength: 1, maxLength: 3 }),
      sizes,
      fc.integer({ min: 1, max: 19 }),
      async (parts, sizes, level) => {
        const expected = Buffer.concat(parts)
        const gzip = Buffer.concat(parts.map((part) => gzipSync(part, { level: level % 10 })))
        const zstd = Buffer.concat(await Promise.all(parts.map((part) => zstdCompress(part, level))))
        for (const [compression, packed] of [
          ['gzip', gzip],
          ['zstd', zstd],
        ] as const) {
          assert.ok((await readAll(decompress(inPieces(packed, sizes), compression))).equals(expected), compression)
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('damaged input gives an error of compression or other bytes, never anything else', async () => {
  const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
  await fc.assert(
    fc.asyncProperty(data, fc.array(change, { maxLength: 4 }), fc.nat(), async (bytes, changes, cut) => {
      for (const [compression, packed] of [
        ['gzip', gzipSync(bytes)],
        ['zstd', await zstdCompress(bytes, 5)],
      ] as const) {
        const damaged = Buffer.from(packed.subarray(0, packed.length - (cut % 3)))
        for (const [at, mask] of changes) damaged[at % damaged.length] ^= mask
        try {
          await readAll(decompress(inPieces(damaged, [1000]), compression))
        } catch (error) {
          assert.ok(error instanceof SluiceError, String(error))
          assert.equal(error.code, 'SLUICE_COMPRESSION')
        }
      }
    }),
    { numRuns: 150 },
  )
})

test('cut input is an error, wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(data, fc.nat(), async (bytes, at) => {
      for (const [compression, packed] of [
        ['gzip', gzipSync(bytes)],
        ['zstd', await zstdCompress(bytes, 5)],
      ] as const) {
        const cut = packed.subarray(0, at % packed.length)
        await assert.rejects(readAll(decompress(inPieces(cut, [100]), compression)), { code: 'SLUICE_COMPRESSION' })
      }
    }),
    { numRuns: 40 },
  )
})

test('tags come back from their file names', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('%', '/', '2', 'F', '5', 'a', ':', 'ü') }), (tag) => {
      const name = encodeRefName(tag)
      assert.equal(name.includes('/'), false)
      assert.equal(decodeRefName(name), tag)
    }),
  )
})

test('any text is a reference or an error of usage; any header is read', () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab:/@.-_[]=", \\0Aoci:docker//')) })
  fc.assert(
    fc.property(text, (text) => {
      assert.ok(Array.isArray(parseChallenges([text])))
      try {
        parseReferenceOrName(text)
      } catch (error) {
        assert.ok(error instanceof SluiceError)
        assert.match(error.code, /^SLUICE_(USAGE|UNSUPPORTED)$/)
      }
    }),
    { numRuns: 1000 },
  )
})
