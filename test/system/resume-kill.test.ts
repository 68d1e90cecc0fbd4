/** The kills of test/faults/resume-kill.test.ts in the number that is promised. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killPulls } from '../helpers/kills.js'
import { temporaryDirectory } from '../helpers/temporary.js'

test('200 pulls killed at random moments', async (t) => {
  const report = await killPulls(temporaryDirectory(t), 200)
  assert.ok(report.kills >= 200)
  t.diagnostic(JSON.stringify(report))
})
