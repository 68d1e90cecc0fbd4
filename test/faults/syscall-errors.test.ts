/** Errors of the kernel for which libuv has no words, or that come in the words of others. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { errnoOf, ioError } from '../../src/errors.js'
import { connectionError } from '../../src/stages/fetch/http/errors.js'
import { threadError } from '../../src/workers/start-thread.js'

/** As Node 20 throws them: by most calls, and by `writeSync`. */
const exceeded = [
  { code: 'Unknown system error -122', message: "Unknown system error -122: Unknown system error -122, open '/a'" },
  { code: 'UNKNOWN', message: "UNKNOWN: unknown error, open '/a'" },
].map(({ code, message }) => Object.assign(new Error(message), { code, errno: -constants.errno.EDQUOT }))

test('an exceeded quota is a full disk and says its name', () => {
  for (const error of exceeded) {
    assert.equal(errnoOf(error), 'EDQUOT')
    const { code, message, hint } = ioError(error, 'cannot store an object')
    assert.equal(code, 'SLUICE_NO_SPACE')
    assert.equal(message, "cannot store an object: EDQUOT: disk quota exceeded, open '/a'")
    assert.match(hint ?? '', /free some space/)
  }
})

test('too many open files are trouble here, and not with the network or with Sluice', () => {
  const file = { code: 'EMFILE', errno: -constants.errno.EMFILE, syscall: 'open' }
  const url = new URL('https://registry.example/v2/')
  for (const error of [
    connectionError(Object.assign(new Error('connect EMFILE'), file), url, 'app', new AbortController().signal),
    threadError(Object.assign(new Error("EMFILE: too many open files, open '/a'"), file), 'a thread ended'),
    threadError(new Error('Worker initialization failure: EMFILE'), 'a thread ended'),
  ]) {
    assert.deepEqual([error.code, error.exitStatus, error.retryable], ['SLUICE_IO', 7, false], error.message)
    assert.match(error.message, /^(app|a thread ended): .*EMFILE/)
    assert.match(error.hint ?? '', /ulimit -n/)
  }
  const unstarted = threadError(new Error('Worker initialization failure: EAGAIN'), 'a thread ended')
  assert.deepEqual([unstarted.code, unstarted.message], ['SLUICE_IO', 'a thread ended: EAGAIN'])
  assert.match(unstarted.hint ?? '', /ulimit -u/)
  assert.equal(threadError(new Error('out of memory'), 'a thread ended').message, 'a thread ended: out of memory')
})
