/**
 * A slice of the fuzzing of all decoders: each input gives a result or a `SluiceError`, in less than a second and 64 MiB.
 *
 * SLUICE_FUZZ is the number of inputs, SLUICE_FUZZ_SEED makes the same ones again from the same seeds and vectors, and
 * SLUICE_FUZZ_VECTORS=off leaves the vectors out. `node scripts/fuzz.mjs` runs long ones.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import { hasVector, vectorsRoot } from '../helpers/vectors.js'
import { fuzzTarget } from './fuzz-run.js'
import { fuzz } from './fuzz.js'

const count = Number(process.env['SLUICE_FUZZ'] ?? 3000)
const seed = process.env['SLUICE_FUZZ_SEED'] ?? 'sluice'

test(`${count} inputs with seed ${seed}: no crash, no hang, no hoard`, async (t) => {
  const vectors = process.env['SLUICE_FUZZ_VECTORS'] !== 'off' && hasVector('erofs')
  t.diagnostic(vectors ? `vectors from ${vectorsRoot}` : 'no vectors: only the committed seeds are used')
  const { reports, failures } = await fuzz({ seed, count })
  for (const { target, inputs, accepted, seeds } of reports) {
    t.diagnostic(`${target}: ${inputs} inputs from ${seeds} seeds, ${accepted} accepted`)
    assert.ok(inputs < 100 || accepted > 0, `${target} accepts nothing: its inputs are of no use`)
  }
  const shown = failures.map(({ target, index, problem, file }) => `${target} ${index} (${file}): ${problem}`)
  assert.deepEqual(shown, [], `seed ${seed}`)
})

test('the harness sees crashes and hoards, and lets refusals pass', async () => {
  const misdeeds: Readonly<Record<string, () => void>> = {
    crash: () => void (undefined as unknown as string).length,
    allocation: () => void Buffer.alloc(70 * 2 ** 20),
    'typed array': () => void new Uint32Array(20 * 2 ** 20),
    'unknown code': () => {
      throw new SluiceError('SLUICE_NEW' as ErrorCode, 'new')
    },
    'long message': () => {
      throw new SluiceError('SLUICE_FORMAT', 'x'.repeat(100_000))
    },
    refusal: () => {
      throw new SluiceError('SLUICE_FORMAT', 'refused')
    },
  }
  const seen: string[] = []
  for (const [name, run] of Object.entries(misdeeds)) {
    const target = { name, weight: 1, limit: 100, seeds: [Buffer.from('seed')], run }
    const { accepted } = await fuzzTarget(
      target,
      'seed',
      0,
      1,
      () => undefined,
      ({ target }) => seen.push(target),
    )
    if (name === 'refusal') assert.equal(accepted, 0)
  }
  assert.deepEqual(seen, ['crash', 'allocation', 'typed array', 'unknown code', 'long message'])
})
