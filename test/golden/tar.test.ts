import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { dumpTarEntry } from '../../src/formats/tar/dump.js'
import { SluiceError } from '../../src/errors.js'
import { checkCollected, joinParts, readEntries, splitTar, verityNamer, type TarPart } from '../helpers/tar-parts.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

type Chunk = { inline: number; sha256: string } | { external: string; size: number }

interface Outcome {
  import: 'ok' | 'error'
  entries?: 'ok' | 'error'
  chunks?: Chunk[]
  object_refs?: string[]
  total_size?: number
  /** Each character is one byte. */
  dumpfile?: string
}

type Case = { file: string; size: number } & Record<HashAlgorithm, Outcome>

const algorithms: readonly HashAlgorithm[] = ['sha256', 'sha512']

function chunksOf(parts: readonly TarPart[], algorithm: HashAlgorithm): Chunk[] {
  const name = verityNamer(algorithm)
  return parts.map((part) =>
    'inline' in part
      ? { inline: part.inline.length, sha256: createHash('sha256').update(part.inline).digest('hex') }
      : { external: name(part.object), size: part.object.length },
  )
}

const cases = hasVector('oci', 'tar', 'expected.json')
  ? Object.entries(readJsonVector<Record<string, Case>>('oci', 'tar', 'expected.json'))
  : []

test('the tar corpus is there', (t) => {
  if (!hasVector('oci', 'tar', 'expected.json')) t.skip('no tar vectors in this set')
  else assert.ok(cases.length > 0)
})

for (const [name, expected] of cases) {
  for (const algorithm of algorithms) {
    test(`tar ${name}, ${algorithm}`, (t) => {
      if (!hasVector('oci', 'tar', expected.file)) {
        t.skip('not in this set of vectors')
        return
      }
      const tar = readVector('oci', 'tar', expected.file)
      const outcome = expected[algorithm]
      if (outcome.import === 'error') {
        assert.throws(() => splitTar(tar), SluiceError)
        return
      }
      const parts = splitTar(tar)
      assert.deepEqual(chunksOf(parts, algorithm), outcome.chunks)
      assert.equal(outcome.total_size, tar.length)
      assert.deepEqual(joinParts(parts), tar)

      const { entries, error } = readEntries(parts, verityNamer(algorithm))
      if (outcome.entries === 'ok') assert.equal(error, undefined)
      else assert.ok(error instanceof SluiceError, 'reading the entries must fail')
      checkCollected(tar, verityNamer(algorithm), { entries, error })
      assert.equal(entries.map((entry) => `${dumpTarEntry(entry)}\n`).join(''), outcome.dumpfile)
    })
  }
}
