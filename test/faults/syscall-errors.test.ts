/** Errors of the kernel for which libuv has no words. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { errnoOf, ioError } from '../../src/errors.js'

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
