/** Any sequence of lock calls behaves as the model: one writer or many readers, a change of mode drops what was held. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { libcAvailable } from '../../src/native/libc.js'
import { lock, type LockMode, tryLock, unlock } from '../../src/native/lock.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { recordWarnings } from '../helpers/warnings.js'

const holders = 4

const needsNative = { skip: !libcAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

/** What the kernel does, on a list of who holds what. */
function modelTry(held: (LockMode | undefined)[], who: number, mode: LockMode): boolean {
  if (held[who] === mode) return true
  held[who] = undefined
  const free = mode === 'shared' ? !held.includes('exclusive') : held.every((other) => other === undefined)
  if (free) held[who] = mode
  return free
}

test('locks follow the model', needsNative, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-lock-model-'))
  const action = fc.record({
    who: fc.nat(holders - 1),
    what: fc.constantFrom<LockMode | 'unlock'>('shared', 'exclusive', 'unlock'),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const fds = Array.from({ length: holders }, () => openSync(directory, 'r'))
      const held = fds.map((): LockMode | undefined => undefined)
      try {
        for (const { who, what } of actions) {
          if (what === 'unlock') {
            unlock(fds[who])
            held[who] = undefined
          } else {
            assert.equal(tryLock(fds[who], what), modelTry(held, who, what))
          }
        }
      } finally {
        fds.forEach((fd) => closeSync(fd))
      }
    }),
  )
  rmSync(directory, { recursive: true })
})

test('many wait under one signal, and nobody warns of a leak', needsNative, async (t) => {
  const directory = temporaryDirectory(t)
  const [holder, ...others] = Array.from({ length: 12 }, () => openSync(directory, 'r'))
  t.after(() => [holder, ...others].forEach((fd) => closeSync(fd)))
  const warnings = recordWarnings(t)
  const { signal } = new AbortController()
  assert.ok(tryLock(holder, 'exclusive'))
  const waiting = others.map((fd) => lock(fd, 'shared', { signal }))
  unlock(holder)
  await Promise.all(waiting)
  assert.deepEqual(warnings, [])
})
