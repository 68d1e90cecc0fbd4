/** How programs end that are told to: the terminal and the trace are left whole, and the status is that of the signal. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { sluice } from '../helpers/cli.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
}

/** Runs a program of the lines, which may import modules of `src/cli` by name; that it is `ready` or `cancelled` is answered by a signal. */
function run(lines: readonly string[], signals: readonly NodeJS.Signals[]): Promise<Ended> {
  const source = lines.join('\n').replaceAll(/from '(.*?)'/g, (_, name: string) => {
    return `from '${pathToFileURL(join(projectRoot, `dist/src/cli/${name}.js`)).href}'`
  })
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const left = [...signals]
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    if (/(?:ready|cancelled)\n$/.test(stdout)) child.kill(left.shift() ?? 0)
  })
  return new Promise((resolve) => child.on('close', (status, signal) => resolve({ status, signal, stdout })))
}

const renderer = "const { end } = onTerminal({ show: () => undefined, end: () => console.log('restored') })"
const cancelled = "cancelOnSignals().signal.onabort = () => console.log('cancelled')"
const goOn = "setInterval(() => undefined, 1000); console.log('ready')"

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} gives the terminal back, and ends who does not listen`, async () => {
    const ended = await run(["import { onTerminal } from 'on-terminal'", renderer, goOn], [signal])
    assert.deepEqual(ended, { status: null, signal, stdout: 'ready\nrestored\n' })
  })
}

test('the first signal cancels; a second one, of another kind too, ends the process, and the terminal is given back', async () => {
  const imports = ["import { onTerminal } from 'on-terminal'", "import { cancelOnSignals } from 'cancel-on-signals'"]
  for (const [signals, status] of [
    [['SIGINT', 'SIGINT'], 130],
    [['SIGINT', 'SIGTERM'], 143],
    [['SIGTERM', 'SIGHUP'], 129],
  ] as const) {
    const ended = await run([...imports, cancelled, renderer, goOn], signals)
    assert.deepEqual(ended, { status, signal: null, stdout: 'ready\ncancelled\nrestored\n' })
  }
})

test('what was drawn and is over is not cleaned up again', async () => {
  const ended = await run(["import { onTerminal } from 'on-terminal'", renderer, 'end()', goOn], ['SIGTERM'])
  assert.deepEqual(ended, { status: null, signal: 'SIGTERM', stdout: 'restored\nready\n' })
})

test('a trace is whole where the process exits before the work has ended, and where the work fails', async (t) => {
  const path = join(temporaryDirectory(t), 'trace.json')
  const work = (end: string) => [
    "import { withTrace } from 'trace-file'",
    `await withTrace(${JSON.stringify(path)}, async (onSpan) => {`,
    "  onSpan({ track: 'main', name: 'fetch', startMs: 1, endMs: 2 })",
    `  ${end}`,
    '}).catch(() => process.exit(9))',
  ]
  for (const [end, status] of [
    ['process.exit(7)', 7],
    ['throw new Error()', 9],
    ['', 0],
  ] as const) {
    assert.equal((await run(work(end), [])).status, status)
    assert.equal((JSON.parse(readFileSync(path, 'utf8')) as unknown[]).length, 2)
  }
})

test('what a pull fails of is told, and not that its trace cannot be written either', async (t) => {
  const repository = join(temporaryDirectory(t), 'repository')
  const result = await sluice(['--repo', repository, 'pull', 'oci:/nonexistent', 'tag', '--trace', '/dev/full'])
  assert.equal(result.status, 4, result.stderr)
  assert.match(result.stderr, /\/nonexistent/)
})
