// The gate behind `npm run check`. Every step runs even when one before it failed, so that one run tells everything.
import { existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => join(root, 'node_modules/.bin', name)

const steps = [
  // Emits as well: the architecture test and the documents are made from the compiled program.
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.json'] },
  { name: 'program', command: [process.execPath, 'scripts/bundle.mjs'] },
  { name: 'format', command: [bin('oxfmt'), '--check', '.'] },
  { name: 'lint', command: [bin('oxlint'), '--type-aware', '--deny-warnings', '.'] },
  { name: 'architecture', command: [process.execPath, '--test', 'dist/test/architecture.test.js'] },
  { name: 'documents', script: 'scripts/docs.mjs', command: [process.execPath, 'scripts/docs.mjs', '--check'] },
]

const failed = []
for (const { name, script, command } of steps) {
  if (script !== undefined && !existsSync(join(root, script))) {
    console.log(`\n── ${name}: skipped, there is no ${script}`)
    continue
  }
  console.log(`\n── ${name}`)
  const started = performance.now()
  const { status, error } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (status !== 0) failed.push(name)
  console.log(`── ${name}: ${status === 0 ? 'ok' : `FAILED${error ? ` (${error.message})` : ''}`}, ${seconds} s`)
}
console.log(failed.length === 0 ? '\nAll checks passed.' : `\nFailed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
