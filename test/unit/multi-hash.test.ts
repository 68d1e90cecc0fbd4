/** Hashing several messages at a time gives what hashing one by one gives, or leaves it to that. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { hashEach, verityDigest, verityDigests } from '../../src/formats/verity/digest.js'
import { hashTogether, maxMessage, multiHashUsable } from '../../src/native/multi-hash.js'
import { projectRoot } from '../helpers/vectors.js'

const shared = Buffer.from(new SharedArrayBuffer(1024 * 1024)).map((_, i) => (i * i * 7) % 251)
const algorithm = fc.constantFrom('sha256', 'sha512')
const skip = multiHashUsable() ? false : 'libIPSec_MB is not usable here'

test('messages of any length and number have the hashes that they have alone', { skip }, () => {
  const own = Buffer.alloc(5000, 'own memory')
  const message = fc
    .record({ start: fc.nat(900), length: fc.integer({ min: 1, max: 4096 }), memory: fc.constantFrom(shared, own) })
    .map(({ start, length, memory }) => memory.subarray(start, start + length))
  fc.assert(
    fc.property(algorithm, fc.array(message, { maxLength: 300, size: 'max' }), (name, messages) => {
      assert.deepEqual(hashTogether(name, messages), hashEach(name, messages))
    }),
    { numRuns: 40 },
  )
})

test('so have long messages, in any order', { skip }, () => {
  for (const name of ['sha256', 'sha512'] as const) {
    const longest = maxMessage(name)
    const memory = Buffer.alloc(longest + 20).map((_, i) => (i * i * 13) % 251)
    const lengths = fc.oneof(fc.integer({ min: 1, max: longest }), fc.constantFrom(longest, 65_534, 65_535, 65_536))
    const few = fc.array(
      fc.oneof(
        lengths.map((length) => Math.min(length, longest)),
        fc.integer({ min: 1, max: 300 }),
      ),
      {
        minLength: 8,
        maxLength: 24,
      },
    )
    fc.assert(
      fc.property(few, (lengths) => {
        const messages = lengths.map((length, i) => memory.subarray(i % 20, (i % 20) + length))
        assert.deepEqual(hashTogether(name, messages), hashEach(name, messages))
      }),
      { numRuns: 8 },
    )
  }
})

test('files have the digests that they have alone', () => {
  const sizes = fc.array(fc.oneof(fc.nat(9000), fc.constantFrom(0, 4096, 262_144, 262_145, 524_289)), {
    maxLength: 140,
  })
  fc.assert(
    fc.property(algorithm, sizes, (name, lengths) => {
      const files = lengths.map((length, i) => shared.subarray(i, i + length))
      const expected = files.map((file) => verityDigest(name, file))
      assert.deepEqual(verityDigests(name, files, hashTogether), expected)
      assert.deepEqual(verityDigests(name, files), expected)
    }),
    { numRuns: 15 },
  )
})

const module = pathToFileURL(join(projectRoot, 'dist/src/native/multi-hash.js')).href
const script = `const { hashTogether, multiHashUsable } = await import('${module}')
  const hashes = hashTogether('sha256', Array.from({ length: 20 }, (_, i) => Buffer.alloc(4096, i)))`
const expected = hashEach(
  'sha256',
  Array.from({ length: 20 }, (_, i) => Buffer.alloc(4096, i)),
).toString('hex')

test('SLUICE_NATIVE=off leaves the library alone', () => {
  const { stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `${script}; console.log(multiHashUsable(), hashes.toString('hex'))`],
    { env: { ...process.env, SLUICE_NATIVE: 'off' }, encoding: 'utf8' },
  )
  assert.equal(stdout.trim(), `false ${expected}`)
})

test('threads hash at the same time', { skip }, async () => {
  const hashInThread = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const code = `import('node:worker_threads').then(async ({ parentPort }) => { ${script}
        for (let i = 0; i < 50; i++) hashTogether('sha512', Array.from({ length: 100 }, () => Buffer.alloc(4096, i)))
        parentPort.postMessage(hashes.toString('hex')) })`
      new Worker(code, { eval: true }).on('message', resolve).on('error', reject)
    })
  assert.deepEqual(await Promise.all([hashInThread(), hashInThread(), hashInThread()]), [expected, expected, expected])
})
