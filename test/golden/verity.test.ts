import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { VerityHasher, verityDigest } from '../../src/formats/verity/digest.js'
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
