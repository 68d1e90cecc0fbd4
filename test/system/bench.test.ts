/** The bench program as people run it. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { readResults } from '../../bench/report/parse-results.js'
import { missing, runOk, scratchFolder } from '../helpers/system-run.js'
import { projectRoot } from '../helpers/vectors.js'

test(
  'bench --quick measures Sluice, the reference and the floor, with the same image',
  { skip: missing('cfsctl') },
  async () => {
    const scratch = scratchFolder('bench')
    const file = join(scratch, 'results.json')
    const words = [
      'run',
      '--quick',
      '--runs',
      '1',
      '--again',
      '--tools',
      'sluice,cfsctl,floor',
      '--dir',
      scratch,
      '--out',
      file,
    ]
    const printed = await runOk(process.execPath, [join(projectRoot, 'dist/bench/main.js'), ...words], {
      timeout: 300_000,
    })
    assert.match(printed.toString(), /^quick, from a registry +sluice /m)

    const { results } = readResults(file)
    const of = (kind: string) =>
      results.filter((result) => result.kind === kind).map(({ source, tool }) => `${source} ${tool}`)
    const tools = ['registry sluice', 'registry cfsctl', 'layout sluice', 'layout cfsctl']
    assert.deepEqual(of('again'), tools)
    assert.deepEqual(of('first').sort(), [...tools, 'registry floor', 'layout floor'].sort())
    for (const { tool, kind, runs } of results) {
      assert.equal(runs.length, 1)
      const [{ wallSeconds, userSeconds, peakRssBytes, writtenBytes }] = runs
      assert.ok(wallSeconds > 0 && peakRssBytes > 1024 ** 2, `${tool} ${kind}`)
      if (kind === 'first') assert.ok(userSeconds > 0 && writtenBytes > 50 * 1024 ** 2, `${tool} ${kind}`)
    }
  },
)
