import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { formatDumpLine, formatHardlinkLine } from '../../src/formats/dumpfile/line.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

const AREA = 'erofs'
const ROOT = '/ 0 40755 2 0 0 0 0.0 - - -'
const DIGEST = 'ab'.repeat(32)
const PATH = `ab/${'ab'.repeat(31)}`

const isRefusal = (error: unknown) => error instanceof SluiceError && error.code === 'SLUICE_FORMAT'

function read(...lines: string[]) {
  return readDumpfile(Buffer.from(`${[ROOT, ...lines].join('\n')}\n`, 'latin1'), { algorithm: 'sha256' })
}

/** The one line below the root, written again. */
function rewritten(line: string): string {
  return [...writeDumpfile(read(line).root)][1]
}

for (const [name, { file }] of Object.entries(readJsonVector<Record<string, { file: string }>>(AREA, 'invalid.json'))) {
  test(`refused by both references: ${name}`, (t) => {
    if (!hasVector(AREA, file)) return t.skip('not in the set of vectors at hand')
    const text = readVector(AREA, file)
    for (const algorithm of ['sha256', 'sha512'] as const) {
      assert.throws(() => readDumpfile(text, { algorithm }), isRefusal)
    }
  })
}

test('escapes: short forms, hex for the rest, "=" in xattrs, a lone dash', () => {
  const stat = { mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, mtime: -5n, mtimeNsec: 7 }
  assert.equal(
    formatDumpLine({
      ...stat,
      path: '/a b\\\n\r\t=\x7f\xff-',
      size: 1,
      payload: '-',
      content: Buffer.from('-'),
      xattrs: [
        ['user.k=', 'v=\\'],
        ['user.-', '-'],
        ['user.e', ''],
      ],
    }),
    '/a\\x20b\\\\\\n\\r\\t=\\x7f\\xff- 1 100644 1 0 0 0 -5.7 \\x2d \\x2d - user.k\\x3d=v\\x3d\\\\ user.-=- user.e=',
  )
  assert.equal(
    formatDumpLine({ ...stat, path: '/f', size: 0n, payload: '', content: new Uint8Array(0) }),
    '/f 0 100644 1 0 0 0 -5.7 - - -',
  )
  assert.equal(formatHardlinkLine('/a b', '/-\n'), '/a\\x20b 0 @120000 - - - - 0.0 /-\\n - -')
})

test('escapes of either case are read, and everything else after a backslash is refused', () => {
  assert.equal(rewritten('/\\xC3\\xa9\\\\ 0 100644 1 0 0 0 0.0 - - -'), '/\\xc3\\xa9\\\\ 0 100644 1 0 0 0 0.0 - - -')
  for (const escape of ['\\', '\\q', '\\x', '\\x1', '\\xg0', '\\X41', '\\N']) {
    assert.throws(() => read(`/${escape} 0 100644 1 0 0 0 0.0 - - -`), isRefusal, escape)
    assert.throws(() => read(`/f 0 100644 1 0 0 0 0.0 - - - user.x=${escape}`), isRefusal, escape)
    // Fields that the type has no use for, too.
    assert.throws(() => read(`/d 0 40755 2 0 0 0 0.0 ${escape} - -`), isRefusal, escape)
    assert.throws(() => read(`/d 0 10644 1 0 0 0 0.0 - ${escape} -`), isRefusal, escape)
    assert.throws(() => read(`/d 1 120777 1 0 0 0 0.0 t - ${escape}`), isRefusal, escape)
  }
})

const unchanged: readonly string[] = [
  '/f 5 100644 1 0 0 0 1.2 - hello -',
  `/f 5 100644 1 0 0 0 1.2 ${PATH} - ${DIGEST}`,
  `/f 5 100644 1 0 0 0 1.2 some/where - ${DIGEST}`,
  `/f 5 100644 1 0 0 0 1.2 - - ${DIGEST}`,
  '/f 9007199254740992 100644 1 0 0 0 1.2 - - -',
  '/f 5 100644 1 0 0 0 1.2 some/where - -',
  '/f 0 20644 1 0 0 4294967295 1.2 - - -',
  '/f 0 140644 1 4294967295 4294967295 0 -9223372036854775808.999999999 - - -',
  '/f 0 100644 1 0 0 0 1.2 - - - user.a= user.b=-',
]
const changed: readonly (readonly [string, string])[] = [
  ['/f +7 1100644 9 +1 +2 +0 +3.+4 x hellooo -', '/f 7 100644 1 1 2 0 3.4 - hellooo -'],
  [`/f 0 100644 1 0 0 0 1.2 ${PATH} - ${DIGEST}`, '/f 0 100644 1 0 0 0 1.2 - - -'],
  [`/f 5 100644 1 0 0 0 1.2 ${PATH} - ${DIGEST.toUpperCase()}`, `/f 5 100644 1 0 0 0 1.2 ${PATH} - ${DIGEST}`],
  ['/f 99 120777 1 0 0 3 1.2 to x -', '/f 2 120777 1 0 0 0 1.2 to - -'],
  ['/f 9 20644 1 0 0 5 1.2 p c d', '/f 0 20644 1 0 0 5 1.2 - - -'],
  ['/f 9 40700 7 0 0 5 1.2 p c d', '/f 0 40700 2 0 0 0 1.2 - - -'],
  ['/f 0 100644 1 0 0 0 18446744073709551611.5 - - -', '/f 0 100644 1 0 0 0 -5.5 - - -'],
  [
    '/f 0 100644 1 0 0 0 1.2 - - - user.b=1 user.a=x=y user.b=2',
    '/f 0 100644 1 0 0 0 1.2 - - - user.a=x\\x3dy user.b=2',
  ],
  ['/f 0 100644 1 0 0 0 1.2 - - - ', '/f 0 100644 1 0 0 0 1.2 - - -'],
  ['/f 0 100644 1 0 0 0 1.2 - - -\r', '/f 0 100644 1 0 0 0 1.2 - - -'],
  ['/f 0 100644 1 0 0 0 1.2', '/f 0 100644 1 0 0 0 1.2 - - -'],
]
for (const [line, expected] of [...unchanged.map((line) => [line, line] as const), ...changed]) {
  test(`reads ${JSON.stringify(line)}`, () => assert.equal(rewritten(line), expected))
}

const refused: readonly (readonly string[])[] = [
  [''],
  ['/f'],
  ['/f  0 100644 1 0 0 0 1.2 - - -'],
  ['/f x 100644 1 0 0 0 1.2 - - -'],
  ['/f -1 100644 1 0 0 0 1.2 - - -'],
  ['/f 0x1 100644 1 0 0 0 1.2 - - -'],
  ['/f 18446744073709551616 40755 1 0 0 0 1.2 - - -'],
  ['/f 9007199254740993 100644 1 0 0 0 1.2 - - -'],
  ['/f 0 100648 1 0 0 0 1.2 - - -'],
  ['/f 0 644 1 0 0 0 1.2 - - -'],
  ['/f 0 30644 1 0 0 0 1.2 - - -'],
  ['/f 0 100644 4294967296 0 0 0 1.2 - - -'],
  ['/f 0 100644 1 -1 0 0 1.2 - - -'],
  ['/f 0 100644 1 0 4294967296 0 1.2 - - -'],
  ['/f 0 20644 1 0 0 4294967296 1.2 - - -'],
  ['/f 0 100644 1 0 0 0 1 - - -'],
  ['/f 0 100644 1 0 0 0 .5 - - -'],
  ['/f 0 100644 1 0 0 0 1. - - -'],
  ['/f 0 100644 1 0 0 0 1.-5 - - -'],
  ['/f 0 100644 1 0 0 0 1.1000000000 - - -'],
  ['/f 0 100644 1 0 0 0 18446744073709551616.0 - - -'],
  ['/f 0 100644 1 0 0 0 -9223372036854775809.0 - - -'],
  ['/f 0 100644 1 0 0 0 --5.0 - - -'],
  ['/f 4 100644 1 0 0 0 1.2 - hello -'],
  [`/f 5001 100644 1 0 0 0 1.2 - ${'x'.repeat(5001)} -`],
  ['/f 5 100644 1 0 0 0 1.2 a\\x00b - -'],
  [`/f 5 100644 1 0 0 0 1.2 - - ${'ab'.repeat(64)}`],
  [`/f 5 100644 1 0 0 0 1.2 - - ${'ab'.repeat(31)}xy`],
  ['/f 0 120777 1 0 0 0 1.2 - - -'],
  [`/f 0 120777 1 0 0 0 1.2 ${'t'.repeat(4096)} - -`],
  ['/f 0 100644 1 0 0 0 1.2 - - - =v'],
  ['/f 0 100644 1 0 0 0 1.2 - - - user.a'],
  ['/f 0 100644 1 0 0 0 1.2 - - -  user.a=1'],
  ['/f 0 100644 1 0 0 0 1.2 - - - user.a\\x00=1'],
  [`/f 0 100644 1 0 0 0 1.2 - - - ${'k'.repeat(256)}=1`],
  [`/f 0 100644 1 0 0 0 1.2 - - - user.a=${'v'.repeat(32743)}`],
  [`/f 0 100644 1 0 0 0 1.2 - - - user.a=${'\\x41'.repeat(16383)}`],
  [`/${'n'.repeat(256)} 0 100644 1 0 0 0 1.2 - - -`],
  ['/a\0b 0 100644 1 0 0 0 1.2 - - -'],
  ['/a\\x00b 0 100644 1 0 0 0 1.2 - - -'],
  ['f 0 100644 1 0 0 0 1.2 - - -'],
  ['//f 0 100644 1 0 0 0 1.2 - - -'],
  ['/d 0 40755 2 0 0 0 1.2 - - -', '/d//f 0 100644 1 0 0 0 1.2 - - -'],
  ['/d 0 40755 2 0 0 0 1.2 - - -', '/d/ 0 40755 2 0 0 0 1.2 - - -'],
  ['/d 0 40755 2 0 0 0 1.2 - - -', '/d/../f 0 100644 1 0 0 0 1.2 - - -'],
  ['/d 0 40755 2 0 0 0 1.2 - - -', '/d 0 @120000 - - - - 0.0 /x - -'],
  ['/ 0 40755 2 0 0 0 1.2 - - -'],
  ['/l 0 @120000 - - - - 0.0 /none - -'],
  ['/l 0 @120000 - - - - 0.0 relative - -'],
  ['/l 0 @120000 - - - - 0.0 / - -'],
  ['/l 0 @40755 - - - - 0.0 /x - -', '/x 0 100644 1 0 0 0 1.2 - - -'],
  ['/l 0 x@120000 - - - - 0.0 /x - -', '/x 0 100644 1 0 0 0 1.2 - - -'],
  ['/a 0 @120000 - - - - 0.0 /b - -', '/b 0 @120000 - - - - 0.0 /a - -'],
  ['/l 0 @120000 - - - - 0.0 /w - -', '/w 0 20644 1 0 0 0 1.2 - - -'],
  ['/x 0 100644 1 0 0 0 1.2 - - -', '/x 0 @120000 - - - - 0.0 /x - -'],
]
for (const lines of refused) {
  test(`refuses ${JSON.stringify(lines.join(' | ').slice(0, 100))}`, () =>
    assert.throws(() => read(...lines), isRefusal))
}

test('the largest values that pass', () => {
  for (const line of [
    `/f 5000 100644 1 0 0 0 1.2 - ${'x'.repeat(5000)} -`,
    `/f 4095 120777 1 0 0 0 1.2 ${'t'.repeat(4095)} - -`,
    `/f 0 100644 1 0 0 0 1.2 - - - user.a=${'v'.repeat(32742)}`,
    `/f 0 100644 1 0 0 0 1.2 - - - ${'k'.repeat(255)}=1`,
    `/${'n'.repeat(255)} 0 100644 1 0 0 0 1.2 - - -`,
  ]) {
    assert.equal(rewritten(line), line)
  }
})

test('errors name the line', () => {
  assert.throws(
    () => read('/a 0 100644 1 0 0 0 1.2 - - -', '/a 0 100644 1 0 0 0 1.2 - - -'),
    /line 3: .*"\/a" appears a second time/,
  )
})

test('chains of hard links resolve forwards and backwards, however long', () => {
  const count = 20_000
  const lines = Array.from({ length: count }, (_, i) => `/l${i} 0 @120000 - - - - 0.0 /l${i + 1} - -`)
  const { root } = read(...lines, `/l${count} 1 100644 1 0 0 0 1.2 - x -`)
  const leaf = root.entries.get(`l${count}`)
  assert.equal(root.entries.size, count + 1)
  for (let i = 0; i < count; i += 999) assert.equal(root.entries.get(`l${i}`), leaf)
})
