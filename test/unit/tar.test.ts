import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import type { ObjectId } from '../../src/formats/digest.js'
import { dumpTarEntry } from '../../src/formats/tar/dump.js'
import { TarEntryReader, type TarEntry } from '../../src/formats/tar/entries.js'
import {
  directory,
  endMarker,
  entry,
  header,
  magic,
  padded,
  pax,
  paxText,
  tarOf,
  type HeaderFields,
} from '../helpers/tar-build.js'
import { newEntryBudget } from '../../src/stages/tar/entry-budget.js'
import { EntryCollector } from '../../src/stages/tar/entry-collector.js'
import { checkCollected, joinParts, readEntries, splitTar } from '../helpers/tar-parts.js'

const someId = 'ab'.repeat(32) as ObjectId
const name = (): ObjectId => someId

/** The dumpfile lines behind that of /usr, or `import` or `entries` for the phase that fails. */
function outcome(...parts: readonly Buffer[]): string[] | 'import' | 'entries' {
  let split
  try {
    split = splitTar(tarOf(...parts))
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    return 'import'
  }
  const { entries, error } = readEntries(split, name)
  checkCollected(tarOf(...parts), name, { entries, error })
  if (error === undefined) return entries.slice(1).map(dumpTarEntry)
  assert.ok(error instanceof SluiceError)
  return 'entries'
}

const file = (fields: HeaderFields = {}, content = ''): Buffer => entry({ name: 'usr/a', ...fields }, content)

/** The line of an empty file `/usr/a` where only these differ. */
function line({ path = '/usr/a', mode = '100644', uid = 0, mtime = '1700000000.0', tail = '- - -' } = {}): string[] {
  return [`${path} 0 ${mode} 1 ${uid} 0 0 ${mtime} ${tail}`]
}

/** What the reference (cfsctl 0.9.4) said to each of these. */
const headerCases: Record<string, [Buffer[], ReturnType<typeof outcome>]> = {
  'octal with a plus': [[file({ uid: '+000017\0' })], line({ uid: 15 })],
  'a plus alone': [[file({ uid: '+\0\0\0\0\0\0\0' })], 'import'],
  'octal amid white space': [[file({ uid: '\x0c\x0b 17\t\n\r' })], line({ uid: 15 })],
  'a space inside octal': [[file({ uid: '1 7\0\0\0\0\0' })], 'import'],
  'base-256 mode of all ones': [[file({ mode: '\x80\0\0\0\xff\xff\xff\xff' })], line({ mode: '37777777777' })],
  'a mode of eight digits': [[file({ mode: '77777777' })], line({ mode: '77777777' })],
  'type bits in the mode': [[file({ mode: '0047777\0' })], line({ mode: '147777' })],
  'the largest mtime': [
    [file({ mtime: `\x80\0\0\0\x7f${'\xff'.repeat(7)}` })],
    line({ mtime: '9223372036854775807.0' }),
  ],
  'the smallest mtime': [
    [file({ mtime: `\x80\0\0\0\x80${'\0'.repeat(7)}` })],
    line({ mtime: '-9223372036854775808.0' }),
  ],
  'base-256 in devmajor': [[file({ major: '\x80\0\0\0\0\0\0\x01' })], 'import'],
  'base-256 in the checksum': [[file({ checksum: '\x80\0\0\0\0\0\x10\0' })], 'import'],
  'a wrong checksum': [[file({ checksum: '0000001\0' })], 'import'],
  'junk in devmajor of an unknown version': [[file({ magic: 'ustar\x0001', major: 'zzzzzzzz' })], line()],
  'prefix with GNU magic': [[file({ magic: magic.gnu, prefix: 'pfx' })], line()],
  'prefix with V7 magic': [[file({ magic: magic.v7, prefix: 'pfx' })], line()],
  'prefix without a name': [[file({ name: '', prefix: 'usr/p' })], line({ path: '/usr/p' })],
  'prefix that ends in a slash': [[file({ name: 'a', prefix: 'usr/' })], line({ path: '/usr//a' })],
  'no name': [[file({ name: '' })], 'import'],
  'a name of a hundred bytes': [[file({ name: `usr/${'n'.repeat(96)}` })], line({ path: `/usr/${'n'.repeat(96)}` })],
  'slashes around a name': [[file({ name: '/usr/b//' })], line({ path: '/usr/b' })],
  'a device': [
    [file({ flag: '4', major: '0000403\0', minor: '1111740\0' })],
    ['/usr/a 0 60644 1 0 0 1227949024 1700000000.0 - - -'],
  ],
  'a device number above 32 bits': [
    [file({ flag: '3', minor: '4000000\0' })],
    ['/usr/a 0 20644 1 0 0 4294967296 1700000000.0 - - -'],
  ],
  'a device number that a double does not hold': [
    [file({ flag: '3', major: '10000000', minor: '0000001\0' })],
    ['/usr/a 0 20644 1 0 0 9007199254740993 1700000000.0 - - -'],
  ],
  'a device in a V7 header': [[file({ flag: '3', magic: magic.v7 })], 'entries'],
  'an unknown type': [[file({ flag: ' ' })], 'entries'],
  'a symlink': [[file({ flag: '2', link: '../x' })], ['/usr/a 4 120644 1 0 0 0 1700000000.0 ../x - -']],
  'a symlink to nothing': [[file({ flag: '2' })], line({ mode: '120644' })],
  'a hard link with data': [
    [file({ flag: '1', link: 'usr/x/' }, 'z'.repeat(100))],
    ['/usr/a 0 @120000 - - - - 0.0 /usr/x - -'],
  ],
  'a directory with data': [
    [entry({ name: 'usr/a', flag: '5', mode: '0000755\0' }, 'x'.repeat(5000)), directory('usr/b')],
    ['/usr/a 0 40755 1 0 0 0 1700000000.0 - - -', '/usr/b 0 40755 1 0 0 0 1700000000.0 - - -'],
  ],
  'a sparse GNU entry': [[file({ flag: 'S', magic: magic.gnu })], 'import'],
  'a sparse ustar entry': [[file({ flag: 'S' })], 'import'],
  'a size of 2^63 - 1': [[file({ size: `\x80\0\0\0\x7f${'\xff'.repeat(7)}` })], 'import'],
  'a size of 2^64 - 1': [[file({ size: `\x80\0\0\0${'\xff'.repeat(8)}` })], 'import'],
}

const paxCases: Record<string, [Buffer[], ReturnType<typeof outcome>]> = {
  'mtime of 2^64 - 1': [[pax(['mtime', '18446744073709551615']), file()], line({ mtime: '-1.0' })],
  'mtime of 2^64': [[pax(['mtime', '18446744073709551616']), file()], 'import'],
  'mtime below zero': [[pax(['mtime', '-3']), file()], 'import'],
  'mtime with a plus': [[pax(['mtime', '+5.25']), file()], line({ mtime: '5.250000000' })],
  'nothing behind the point': [[pax(['mtime', '5.']), file()], line({ mtime: '5.0' })],
  'a plus in nine digits': [[pax(['mtime', '5.+123456789']), file()], line({ mtime: '5.12345678' })],
  'a minus in nine digits': [[pax(['mtime', '0.-12345678']), file()], line({ mtime: '0.0' })],
  'junk behind nine digits': [[pax(['mtime', '5.123456789x']), file()], line({ mtime: '5.123456789' })],
  'junk within nine digits': [[pax(['mtime', '5.5x']), file()], line({ mtime: '5.0' })],
  'two points': [[pax(['mtime', '5.1.2']), file()], line({ mtime: '5.0' })],
  'a fraction that is no text': [[pax(['mtime', '5.\xff']), file()], 'import'],
  'two mtimes': [[pax(['mtime', '5.1'], ['mtime', '6.2']), file()], line({ mtime: '6.100000000' })],
  'a second mtime with a fraction': [[pax(['mtime', '5'], ['mtime', '6.5']), file()], line({ mtime: '6.0' })],
  'uid with a plus': [[pax(['uid', '+7']), file()], line({ uid: 7 })],
  'uid above 32 bits': [[pax(['uid', '4294967297']), file()], line({ uid: 1 })],
  'uid above 64 bits': [[pax(['uid', '18446744073709551616']), file()], 'import'],
  'uid with many zeros': [[pax(['uid', `${'0'.repeat(5000)}7`]), file()], line({ uid: 7 })],
  'a bad uid before a good one': [[pax(['uid', 'x'], ['uid', '1']), file()], 'import'],
  'a bad header field that pax overrides': [[pax(['uid', '1']), file({ uid: 'zz' })], 'import'],
  'an empty path': [[pax(['path', '']), file()], 'import'],
  'an empty path before a good one': [[pax(['path', ''], ['path', 'usr/z']), file()], line({ path: '/usr/z' })],
  'a path over a long name': [
    [entry({ flag: 'L' }, 'usr/long\0'), pax(['path', 'usr/z']), file()],
    line({ path: '/usr/z' }),
  ],
  'an empty link over a long link': [
    [pax(['linkpath', '']), entry({ flag: 'K' }, 'k\0'), file({ flag: '2', link: 'h' })],
    line({ mode: '120644' }),
  ],
  'pax before a V7 header': [[pax(['path', 'usr/z']), file({ magic: magic.v7 })], line({ path: '/usr/z' })],
  'xattrs, the last of a key': [
    [pax(['SCHILY.xattr.user.b', 'v'], ['SCHILY.xattr.user.a', '\xff='], ['SCHILY.xattr.user.b', 'w']), file()],
    line({ tail: '- - - user.a=\\xff\\x3d user.b=w' }),
  ],
  'an xattr without a name': [[pax(['SCHILY.xattr.', 'v']), file()], line({ tail: '- - - =v' })],
  'a sparse name': [[pax(['GNU.sparse.name', 'usr/z'], ['path', 'usr/y']), file()], line({ path: '/usr/z' })],
  'an empty sparse name': [[pax(['GNU.sparse.name', '']), file()], 'import'],
  'sparse 1.0': [[pax(['GNU.sparse.major', '01'], ['GNU.sparse.minor', '00']), file()], 'import'],
  'sparse 1.1': [[pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '1']), file()], line()],
  'a sparse map': [[pax(['GNU.sparse.map', '']), file()], 'import'],
  'a sparse offset alone': [[pax(['GNU.sparse.offset', '0']), file()], line()],
  'a sparse offset and length': [[pax(['GNU.sparse.offset', '0'], ['GNU.sparse.numbytes', '0']), file()], 'import'],
  'a sparse length before its offset': [
    [pax(['GNU.sparse.numbytes', '0'], ['GNU.sparse.offset', '0']), file()],
    line(),
  ],
  'a sparse length before and behind its offset': [
    [pax(['GNU.sparse.numbytes', '0'], ['GNU.sparse.offset', '0'], ['GNU.sparse.numbytes', '0']), file()],
    'import',
  ],
  'two sparse versions, 1.1 first': [
    [pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '1'], ['GNU.sparse.minor', '0']), file()],
    line(),
  ],
  'two sparse versions, 1.0 first': [
    [pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.major', '0']), file()],
    'import',
  ],
  'a sparse version that becomes 1.0 before it is complete': [
    [pax(['GNU.sparse.major', '0'], ['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0']), file()],
    'import',
  ],
  'a sparse size that is no number': [[pax(['GNU.sparse.realsize', 'x']), file()], 'import'],
  'a length with a plus': [[paxText('+15 path=usr/z\n'), file()], line({ path: '/usr/z' })],
  'a negative length': [[paxText('-5 a=b\n'), file()], line()],
  'a length of 2^64 and more': [[paxText('99999999999999999999999 path=usr/z\n'), file()], line()],
  'a length behind the end': [[paxText('100 a=b\n'), file()], 'import'],
  'a length below 2^64': [[paxText('9999999999999999999 path=usr/z\n'), file()], 'import'],
  'a length inside its own prefix': [[paxText('2 a=b\n'), file()], 'import'],
  'no equals sign': [[paxText('6 abc\n'), file()], 'import'],
  'no newline': [[paxText('6 a=bc'), file()], 'import'],
  'a leading space': [[paxText(' 6 a=b\n'), file()], line()],
  'a key that is not UTF-8': [[pax(['\xed\xa0\x80', 'v']), file()], 'import'],
  'a NUL in a path': [[pax(['path', 'usr/a\0b']), file()], line({ path: '/usr/a\\x00b' })],
  'a size': [
    [pax(['size', '+3']), header({ size: 0 }), padded(Buffer.from('abc'))],
    ['/usr/a 3 100644 1 0 0 0 1700000000.0 - abc -'],
  ],
  'a size with a space': [[pax(['size', ' 3']), file({}, 'abc')], 'import'],
}

const million = 'x'.repeat(600_000)

const extensionCases: Record<string, [Buffer[], ReturnType<typeof outcome>]> = {
  'a long name without a NUL': [[entry({ flag: 'L' }, 'usr/z'), file()], line({ path: '/usr/z' })],
  'a long name with two NULs': [[entry({ flag: 'L' }, 'usr/z\0\0'), file()], line({ path: '/usr/z\\x00' })],
  'an empty long name': [[entry({ flag: 'L' }, '\0'), file()], 'import'],
  'a long link without a body': [[entry({ flag: 'K' }), file({ flag: '2', link: 'h' })], line({ mode: '120644' })],
  'two long names': [[entry({ flag: 'L' }, 'a'), entry({ flag: 'L' }, 'b'), file()], 'import'],
  'two pax headers with a zero block between': [
    [pax(['path', 'usr/z']), Buffer.alloc(512), pax(['path', 'usr/z']), file()],
    'import',
  ],
  'a zero block behind a pax header': [[pax(['path', 'usr/z']), Buffer.alloc(512), file()], line({ path: '/usr/z' })],
  'a pax header at the end': [[pax(['path', 'usr/z'])], 'import'],
  'a global header discards a broken pax header': [[paxText('5 abc'), entry({ flag: 'g' }, '6 a=b\n'), file()], line()],
  'a global header has a limit of its own': [
    [pax(['comment', million]), entry({ flag: 'g' }, million), file()],
    line(),
  ],
  'a global header clears the sum': [
    [pax(['comment', million]), entry({ flag: 'g' }, 'x'), pax(['comment', million]), file()],
    line(),
  ],
  'pax and long name over the limit together': [
    [pax(['comment', million]), entry({ flag: 'L' }, million), file()],
    'import',
  ],
  'a claim over the limit without a body': [[header({ flag: 'x', size: 1_048_577 })], 'import'],
  'bad fields in extension headers': [
    [entry({ flag: 'x', mode: 'zz', mtime: 'zz', major: 'zz' }, '6 a=b\n'), file()],
    line(),
  ],
  'a bad size in an extension header': [[header({ flag: 'x', size: 'zz' })], 'import'],
  'a long name in a V7 header': [[entry({ flag: 'L', magic: magic.v7 }, 'usr/z'), file()], 'entries'],
}

for (const [group, cases] of Object.entries({ headerCases, paxCases, extensionCases })) {
  for (const [title, [parts, expected]] of Object.entries(cases)) {
    test(`${group}: ${title}`, () => assert.deepEqual(outcome(...parts), expected))
  }
}

test('an archive may end at any entry, but nowhere else', () => {
  const cut = (...parts: Buffer[]): unknown => {
    try {
      return splitTar(Buffer.concat(parts)).length
    } catch (error) {
      assert.ok(error instanceof SluiceError)
      return 'cut'
    }
  }
  assert.equal(cut(), 0)
  assert.equal(cut(file({}, 'x')), 1)
  assert.equal(cut(file({}, 'x'.repeat(512))), 2)
  assert.equal(cut(file({}, 'x'.repeat(65))), 3)
  assert.equal(cut(file(), Buffer.alloc(512)), 'cut')
  assert.equal(cut(file(), Buffer.alloc(512), file()), 1)
  assert.equal(cut(header({ size: 65 }), Buffer.alloc(65)), 'cut')
  assert.equal(cut(header({ size: 65 }), Buffer.alloc(64)), 'cut')
  assert.equal(cut(header({ size: 64 }), Buffer.alloc(64)), 'cut')
  assert.equal(cut(header().subarray(0, 511)), 'cut')
  assert.equal(cut(pax(['path', 'x'])), 'cut')
  assert.equal(cut(header({ flag: 'x', size: 600 }), Buffer.alloc(599)), 'cut')
})

test('everything behind the end marker is inline, whatever it is', () => {
  const tar = Buffer.concat([file({}, 'x'), endMarker, file({}, 'y'.repeat(100)), Buffer.from('junk')])
  const parts = splitTar(tar)
  assert.equal(parts.length, 1)
  assert.deepEqual(joinParts(parts), tar)
  const { entries, error } = readEntries(parts, name)
  assert.equal(error, undefined)
  assert.equal(entries.length, 1)
})

test('only the content of files above 64 bytes becomes an object', () => {
  const content = 'c'.repeat(65)
  const externals = (flag: string, fields: HeaderFields = {}): number =>
    splitTar(tarOf(file({ flag, ...fields }, content))).filter((part) => 'object' in part).length
  for (const flag of ['0', '\0', '7']) assert.equal(externals(flag), 1)
  for (const flag of ['1', '2', '3', '5', '6', 'Z']) assert.equal(externals(flag), 0)
  assert.equal(externals('0', { magic: magic.v7 }), 1)
  assert.equal(splitTar(tarOf(file({}, 'c'.repeat(64)))).length, 1)
})

test('padding is kept as it is', () => {
  const dirty = Buffer.concat([header({ size: 65 }), Buffer.alloc(65, 1), Buffer.alloc(447, 2), endMarker])
  const parts = splitTar(dirty)
  assert.equal(parts.length, 3)
  assert.deepEqual(joinParts(parts), dirty)
})

/** A reader that has seen `/usr` and the header of a file of this size. */
function readerAtContent(size: number): { reader: TarEntryReader; entries: TarEntry[] } {
  const entries: TarEntry[] = []
  const reader = new TarEntryReader((found) => entries.push(found))
  reader.inline(Buffer.concat([directory('usr/'), header({ size })]))
  return { reader, entries }
}

test('an object must stand where a larger file has its content', () => {
  const mismatch = { code: 'SLUICE_FORMAT' }
  assert.throws(() => readerAtContent(65).reader.inline(Buffer.alloc(1)), mismatch)
  assert.throws(() => readerAtContent(65).reader.external(someId, 66), mismatch)
  assert.throws(() => readerAtContent(64).reader.external(someId, 64), mismatch)
  assert.throws(() => readerAtContent(65).reader.end(), mismatch)
  const { reader, entries } = readerAtContent(65)
  reader.external(someId, 65)
  assert.equal(entries.length, 2)
  assert.throws(() => reader.external(someId, 65), mismatch)
  assert.throws(() => reader.end(), mismatch, 'the padding is missing')
})

test('what follows the end of a stored archive is ignored, objects too', () => {
  const { reader, entries } = readerAtContent(0)
  reader.inline(Buffer.concat([endMarker, Buffer.from('junk')]))
  reader.external(someId, 5)
  reader.end()
  assert.equal(entries.length, 2)
})

test('an entry without content needs one more byte behind it', () => {
  const { reader, entries } = readerAtContent(0)
  assert.equal(entries.length, 1)
  assert.throws(() => reader.end(), { code: 'SLUICE_FORMAT' })
  reader.inline(Buffer.alloc(1))
  assert.equal(entries.length, 2)
})

test('an archive that ends right behind an entry without content has no entries to collect', () => {
  for (const tar of [
    directory('usr'),
    Buffer.concat([file({}, 'x'), header({ size: 0 })]),
    file({}, 'x'.repeat(512)),
  ]) {
    checkCollected(tar, name, readEntries(splitTar(tar), name))
  }
  checkCollected(directory('usr'), name, { entries: [], error: new Error('one more byte') })
})

test('an error says where', () => {
  assert.throws(() => splitTar(tarOf(file({}, 'x'.repeat(1000)), file({ uid: 'zz' }))), {
    code: 'SLUICE_FORMAT',
    message: 'header at byte 2048: tar: uid is not an octal number: "zz\\x00\\x00\\x00\\x00\\x00\\x00"',
  })
})

test('entries with too much text are not collected, and leave to those of other layers what they had', () => {
  const budget = newEntryBudget()
  const all = budget.text
  const collect = (tar: Buffer): EntryCollector => {
    const collector = new EntryCollector(budget)
    splitTar(tar, [tar.length], collector)
    return collector
  }
  const long = pax(['SCHILY.xattr.user.a', 'x'.repeat(1_000_000)])
  const kept = collect(tarOf(...Array.from({ length: 30 }, () => [long, file()]).flat()))
  assert.equal(kept.entries()?.length, 31)
  const left = budget.text
  assert.ok(left < all - 30_000_000)
  assert.equal(collect(tarOf(...Array.from({ length: 60 }, () => [long, file()]).flat())).entries(), undefined)
  assert.equal(budget.text, left)
  assert.equal(collect(tarOf(file())).entries()?.length, 2)
})
