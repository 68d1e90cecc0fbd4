/** What `npm run build` makes of the command line: dist/program. */
import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const folder = join(projectRoot, 'dist/program')
const files = readdirSync(folder).filter((name) => name.endsWith('.cjs'))

test('the program is one file, and each thread another', () => {
  assert.deepEqual(files.sort(), ['check-thread.cjs', 'main.cjs', 'thread.cjs'])
})

/** What a new process says, for V8 takes what it has compiled before whatever the cache. @param code may use the loader. */
function evaluated(code: string, ...args: string[]): Buffer {
  const loader = JSON.stringify(join(projectRoot, 'bin/load-program.js'))
  const imports = `import { codeCachePath, compileProgram } from ${loader}; import { readFileSync } from 'node:fs';`
  return execFileSync(process.execPath, ['--input-type=module', '--eval', imports + code, ...args])
}

test('the code cache of the program is taken; what is no cache of it does no harm', (t) => {
  const isTaken = (cache: string) =>
    evaluated(
      'process.stdout.write(`${compileProgram(readFileSync(process.argv[1])).cachedDataRejected}`)',
      cache,
    ).equals(Buffer.from('false'))
  const own = evaluated('process.stdout.write(compileProgram().createCachedData())')
  const path = join(temporaryDirectory(t), 'cache')
  const cases = [
    [own, true],
    [own.subarray(0, own.length / 2), false],
    [Buffer.from('no cache'), false],
  ] as const
  for (const [content, taken] of cases) {
    writeFileSync(path, content)
    assert.equal(isTaken(path), taken)
  }
  const built = evaluated('process.stdout.write(codeCachePath)').toString()
  if (!existsSync(built)) return t.skip('another Node built the program')
  assert.ok(isTaken(built))
  // The functions of a pull are in it, and those that only V8 wants at the start are less than half.
  assert.ok(statSync(built).size > 2 * own.length)
})

for (const file of files) {
  test(`${file} needs only Node and what cannot be bundled, and V8 keeps a byte for each of its characters`, () => {
    const bytes = readFileSync(join(folder, file))
    const text = bytes.toString('latin1')
    const imported = [...text.matchAll(/\b(?:from|import\(|require\()"([@\w./:-]+)"/g)].map(([, name = '']) => name)
    // The loader gives a script no way to import, and modules are strict.
    assert.doesNotMatch(text, /\bimport\("/)
    assert.match(text, /^["']use strict["'];/)
    assert.ok(imported.includes('node:fs'), imported.join())
    const outside = new Set(imported.filter((name) => !name.startsWith('node:') && !isBuiltin(name)))
    for (const name of outside) assert.equal(name, 'openpgp')
    assert.ok(isAscii(bytes))
  })
}

test('the licence of every bundled package is there', () => {
  const texts = readFileSync(join(folder, 'LICENSES.txt'), 'utf8').split(/^== /m).slice(1)
  assert.ok(texts.some((text) => text.startsWith('undici 7.30.2, MIT')))
  for (const text of texts) assert.match(text, /copyright|apache license/i, text.slice(0, 100))
})
