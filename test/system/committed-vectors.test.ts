/** The tests that read vectors pass with the subset that this repository holds, which is all that most clones have. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../helpers/system-run.js'
import { projectRoot, vectorsRoot } from '../helpers/vectors.js'

const committed = join(projectRoot, 'test/vectors')
const tests = join(projectRoot, 'dist/test')
const readers = /from '[^']*(?:vectors|vector-layout|reference-repository|corrupt-streams)\.js'/

test(
  'tests that read vectors pass with the committed ones',
  { skip: vectorsRoot === committed && 'there is no other set: npm test has just used it' },
  async (t) => {
    const files = readdirSync(tests, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js') && !name.startsWith('system/'))
      .map((name) => join(tests, name))
      .filter((file) => readers.test(readFileSync(file, 'utf8')))
    assert.ok(files.length > 20, `only ${files.length} files of tests read vectors`)
    const options = ['--test', '--test-reporter=tap', `--test-concurrency=${availableParallelism()}`]
    // Inside of a test, which that variable tells it, Node would skip all.
    const command = ['-u', 'NODE_TEST_CONTEXT', `SLUICE_VECTORS=${committed}`, process.execPath, ...options, ...files]
    const { status, stdout } = await run('env', command, { timeout: 900_000 })
    const lines = stdout.toString('utf8').split('\n')
    const failed = lines.filter((line) => line.trimStart().startsWith('not ok'))
    assert.deepEqual({ status, failed }, { status: 0, failed: [] })
    const count = (what: string): number => Number(lines.find((line) => line.startsWith(`# ${what} `))?.split(' ')[2])
    assert.ok(count('pass') > 1000, `${count('pass')} tests passed`)
    t.diagnostic(`${files.length} files: ${count('pass')} tests pass, ${count('skipped')} are skipped`)
  },
)
