/** SLUICE_KILLS sets how many runs are killed; test/system kills 200. */
import { test } from 'node:test'
import { killPulls } from '../helpers/kills.js'
import { temporaryDirectory } from '../helpers/temporary.js'

const kills = Number(process.env['SLUICE_KILLS'] ?? 6)

test(`${kills} pulls killed at random moments: little is fetched again, and the repository is as if nothing happened`, async (t) => {
  const report = await killPulls(temporaryDirectory(t), kills)
  t.diagnostic(JSON.stringify(report))
})
