import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hashBlocks, VerityHasher, verityDigest, VerityTree } from '../../src/formats/verity/digest.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { readJsonVector } from '../helpers/vectors.js'

interface VerityVectors {
  cases: { algorithm: string; size: number; digest: string }[]
  literals: { algorithm: string; digest: string; hex?: string; text?: string; bytes_hex?: string }[]
}

const algorithmOf = (name: string): HashAlgorithm => (name.includes('sha512') ? 'sha512' : 'sha256')

function mod251(size: number): Buffer {
  const data = Buffer.allocUnsafe(size)
  for (let i = 0; i < size; i++) data[i] = i % 251
  return data
}

test('fs-verity digests equal the reference', () => {
  const { cases, literals } = readJsonVector<VerityVectors>('repository', 'fsverity.json')
  assert.ok(cases.length > 10)
  for (const { algorithm, size, digest } of cases) {
    assert.equal(verityDigest(algorithmOf(algorithm), mod251(size)), digest, `${algorithm} of ${size} bytes`)
  }
  for (const literal of literals) {
    const hex = Object.entries(literal).find(([key]) => key.endsWith('hex') && !key.includes('hash'))?.[1]
    assert.ok(hex !== undefined, `literal without bytes: ${JSON.stringify(literal)}`)
    assert.equal(verityDigest(algorithmOf(literal.algorithm), Buffer.from(hex, 'hex')), literal.digest)
  }
})

test('leaf hashes are those of the reference, the last block padded', () => {
  const first = 'd67c656e01756650d77717b0839985a056ec28ffe174601d690fc407a2ceffca'
  const second = '8739b9d292016268de92e584032a92f95e176f01e69230bd5a056e769c8b9363'
  assert.equal(hashBlocks('sha256', mod251(4097)).toString('hex'), first + second)
  // The block before must leave nothing in the padding.
  assert.equal(hashBlocks('sha256', mod251(4096)).toString('hex'), first)
  hashBlocks('sha256', Buffer.alloc(4095, 0xff))
  assert.equal(hashBlocks('sha256', mod251(4097)).toString('hex'), first + second)
  assert.equal(hashBlocks('sha512', Buffer.alloc(0)).length, 0)
})

test('leaf hashes of aligned pieces give the digest of the whole', () => {
  const shared = Buffer.from(new SharedArrayBuffer(4096 * 64 * 65 + 1))
  shared.set(mod251(shared.length))
  fc.assert(
    fc.property(
      fc.constantFrom<HashAlgorithm>('sha256', 'sha512'),
      fc.oneof(fc.integer({ min: 0, max: 4096 * 3 }), fc.integer({ min: 0, max: shared.length })),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
      (algorithm, size, blocks) => {
        const data = shared.subarray(0, size)
        const tree = new VerityTree(algorithm)
        for (let at = 0, i = 0; at < size; i++) {
          const piece = data.subarray(at, at + blocks[i % blocks.length] * 4096)
          tree.addLeaves(hashBlocks(algorithm, piece), piece.length)
          at += piece.length
        }
        assert.equal(tree.size, size)
        assert.equal(tree.digest(), verityDigest(algorithm, data))
      },
    ),
    {
      numRuns: 20,
      examples: [
        ['sha512', 4096 * 64 * 64, [256]],
        ['sha512', 4096 * 64 * 64 + 1, [63]],
        ['sha256', 0, [1]],
      ],
    },
  )
})

test('a tree refuses hashes that cannot be those of its file', () => {
  const tree = new VerityTree('sha256')
  assert.throws(() => tree.addLeaves(Buffer.alloc(64), 4096), RangeError)
  assert.throws(() => tree.addLeaves(Buffer.alloc(31), 1), RangeError)
  tree.addLeaves(Buffer.alloc(32), 4095)
  assert.throws(() => tree.addLeaves(Buffer.alloc(32), 1), RangeError)
})

test('a digest does not depend on how the data is cut', () => {
  const data = mod251(3 * 4096 * 64 + 17)
  fc.assert(
    fc.property(
      fc.constantFrom<HashAlgorithm>('sha256', 'sha512'),
      fc.integer({ min: 0, max: data.length }),
      fc.array(fc.constantFrom(1, 511, 512, 513, 4095, 4096, 4097, 70_000), { minLength: 1, maxLength: 50 }),
      (algorithm, size, cuts) => {
        const hasher = new VerityHasher(algorithm)
        let at = 0
        for (let i = 0; at < size; i++) {
          const end = i < 200 ? Math.min(size, at + cuts[i % cuts.length]) : size
          hasher.update(data.subarray(at, end))
          at = end
        }
        assert.equal(hasher.digest(), verityDigest(algorithm, data.subarray(0, size)))
      },
    ),
    { numRuns: 60 },
  )
})
