/** GVariant of any type: what is accepted is the only way to write its value. */
import assert from 'node:assert/strict'
import { readValue } from '../../../src/formats/gvariant/read.js'
import { parseType } from '../../../src/formats/gvariant/type.js'
import { variant, writeValue } from '../../../src/formats/gvariant/write.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const nested = (levels: number): string => `${'a('.repeat(levels)}s${')'.repeat(levels)}`

const types = [
  'v',
  'a{sv}',
  'as',
  'aav',
  '(sas)',
  'a(yvmst)',
  'aay',
  'mmas',
  '(()(yt)gob)',
  'a{ta(sd)}',
  nested(30),
].map((text) => parseType(text))

function runValue(input: Buffer, random: Random): void {
  const type = random.pick(types)
  assert.deepEqual(writeValue(type, readValue(type, input)), input, 'a value that is written again is the same')
}

function runType(input: Buffer): void {
  const text = input.toString('latin1')
  assert.equal(parseType(text).text, text)
}

function generate(random: Random): Buffer {
  const strings = Array.from({ length: random.below(6) }, () => 'x'.repeat(random.length(40)))
  const entries = strings.map((text) => [text, variant('s', text)] as const)
  let value = variant('a{sv}', entries)
  for (let levels = random.below(150); levels > 0; levels--) value = variant('v', value)
  return random.pick([
    () => writeValue(parseType('v'), value),
    () => writeValue(parseType('a{sv}'), entries),
    () => writeValue(parseType('as'), strings),
    () => writeValue(parseType('(sas)'), ['x', strings]),
  ])()
}

export const gvariantTarget: Target = {
  name: 'gvariant',
  weight: 4,
  limit: 8192,
  seeds: [Buffer.from('000000', 'hex')],
  generate,
  run: runValue,
}

export const gvariantTypeTarget: Target = {
  name: 'gvariant-type',
  weight: 1,
  limit: 1000,
  seeds: ['a{sv}', '(a{sv}aya(say)sstayay)', 'mv', '()', nested(128)].map((text) => Buffer.from(text)),
  run: runType,
}
