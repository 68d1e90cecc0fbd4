/** What `npm run build` makes of the command line: dist/program. */
import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from '../helpers/vectors.js'

const folder = join(projectRoot, 'dist/program')
const files = readdirSync(folder).filter((name) => name.endsWith('.js'))

test('the program is one file, and each thread another', () => {
  assert.deepEqual(files.sort(), ['check-thread.js', 'main.js', 'thread.js'])
})

for (const file of files) {
  test(`${file} needs only Node and what cannot be bundled, and V8 keeps a byte for each of its characters`, () => {
    const bytes = readFileSync(join(folder, file))
    const imported = [...bytes.toString('latin1').matchAll(/\b(?:from|import\()"([@\w./:-]+)"/g)].map(
      ([, name = '']) => name,
    )
    assert.ok(imported.includes('node:fs'), imported.join())
    const outside = new Set(imported.filter((name) => !name.startsWith('node:')))
    for (const name of outside) assert.equal(name, 'openpgp')
    assert.ok(isAscii(bytes))
  })
}

test('the licence of every bundled package is there', () => {
  const texts = readFileSync(join(folder, 'LICENSES.txt'), 'utf8').split(/^== /m).slice(1)
  assert.ok(texts.some((text) => text.startsWith('undici 7.30.2, MIT')))
  for (const text of texts) assert.match(text, /copyright|apache license/i, text.slice(0, 100))
})
