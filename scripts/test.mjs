// Runs compiled tests. `node scripts/test.mjs [WORD...]`: every dist/test/**/*.test.js but the system tests, whose path
// holds one of the words; `--system` runs those under test/system instead.
// Node 20's `node --test` takes no globs, and would run helpers as tests.
import { readdirSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2)
const system = args.includes('--system')
const words = args.filter((arg) => !arg.startsWith('--'))
const root = fileURLToPath(new URL('..', import.meta.url))
const files = readdirSync(join(root, 'dist/test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js') && name.startsWith('system/') === system)
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort()
  .map((name) => join('dist/test', name))
if (files.length === 0) {
  console.error(`no test file matches: ${words.join(' ')}`)
  process.exit(1)
}
// System tests share the machine (mounts, services): one file at a time. Node's default leaves a core idle.
const concurrency = [`--test-concurrency=${system ? 1 : availableParallelism()}`]
const run = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...concurrency, ...files], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(run.status ?? 1)
