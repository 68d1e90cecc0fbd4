import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { startedAhead, type Started } from '../../src/flow/iterate.js'

/** Work that takes so many milliseconds, and then gives this number or fails. */
async function work(ms: number, outcome: number | Error): Promise<number> {
  await setTimeout(ms)
  if (outcome instanceof Error) throw outcome
  return outcome
}

async function* starting(
  ...works: (readonly [ms: number, outcome: number | Error])[]
): AsyncGenerator<Started<number>> {
  for (const [ms, outcome] of works) yield { result: work(ms, outcome) }
}

test('work that fails while the consumer is busy fails when it is its turn', async () => {
  const results = startedAhead(starting([1, 1], [1, 2], [1, new Error('third')]), 2, () => undefined)
  const taken: number[] = []
  await assert.rejects(async () => {
    for await (const result of results) {
      taken.push(result)
      await setTimeout(20)
    }
  }, /third/)
  assert.deepEqual(taken, [1, 2])
})

test('of several failures the first in order is told, and what was not taken is discarded', async () => {
  const discarded: number[] = []
  const works = starting([15, new Error('first')], [30, 2], [1, new Error('third')], [1, 4])
  await assert.rejects(async () => {
    for await (const _ of startedAhead(works, 2, (result) => discarded.push(result))) assert.fail()
  }, /first/)
  assert.deepEqual(discarded, [2])
})
