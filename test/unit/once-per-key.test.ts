import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cancelled } from '../../src/errors.js'
import { OncePerKey } from '../../src/flow/once-per-key.js'

const never = new AbortController().signal

/** Work that ends when told, and notes how. */
class Work {
  starts = 0
  aborted = false
  ended = false
  finish: (value: string) => void = () => undefined

  readonly run = async (signal: AbortSignal): Promise<string> => {
    this.starts++
    try {
      return await new Promise<string>((resolve, reject) => {
        this.finish = resolve
        signal.addEventListener('abort', () => {
          this.aborted = true
          setTimeout(() => reject(cancelled(signal)), 20)
        })
      })
    } finally {
      this.ended = true
    }
  }
}

test('work for a key is done once and its result shared, but not remembered', async () => {
  const once = new OncePerKey<string, string>()
  const work = new Work()
  const other = new Work()
  const waiting = [once.run('a', never, work.run), once.run('a', never, work.run), once.run('b', never, other.run)]
  assert.ok(once.has('a') && once.has('b') && !once.has('c'))
  work.finish('first')
  other.finish('other')
  assert.deepEqual(await Promise.all(waiting), ['first', 'first', 'other'])
  assert.deepEqual([work.starts, other.starts], [1, 1])
  assert.ok(!once.has('a'))
  const again = once.run('a', never, work.run)
  work.finish('second')
  assert.equal(await again, 'second')
})

test('a failure is shared, too', async () => {
  const once = new OncePerKey<string, string>()
  const fail = () => sleep(5).then(() => Promise.reject(new Error('no')))
  const results = await Promise.allSettled([once.run('a', never, fail), once.run('a', never, fail)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.ok(!once.has('a'))
})

test('who stops waiting leaves at once and does not stop the others, also who started the work', async () => {
  const once = new OncePerKey<string, string>()
  const work = new Work()
  const first = new AbortController()
  const starter = once.run('a', first.signal, work.run)
  const follower = once.run('a', never, work.run)
  first.abort()
  await assert.rejects(starter, { code: 'SLUICE_CANCELLED' })
  assert.deepEqual([work.aborted, work.ended], [false, false])
  work.finish('value')
  assert.equal(await follower, 'value')
})

test('when the last one stops, the work is aborted and waited for; who comes meanwhile starts anew', async () => {
  const once = new OncePerKey<string, string>()
  const work = new Work()
  const [one, two] = [new AbortController(), new AbortController()]
  const waiting = [once.run('a', one.signal, work.run), once.run('a', two.signal, work.run)]
  one.abort()
  await assert.rejects(waiting[0], { code: 'SLUICE_CANCELLED' })
  two.abort()
  await sleep(1)
  const next = new Work()
  const late = once.run('a', never, next.run)
  await assert.rejects(waiting[1], { code: 'SLUICE_CANCELLED' })
  assert.deepEqual([work.aborted, work.ended], [true, true])
  await sleep(1)
  assert.equal(next.starts, 1)
  next.finish('late')
  assert.equal(await late, 'late')
})
