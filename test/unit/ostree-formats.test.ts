/** ostree's small formats at their edges: names, configuration, deltas and patches that are not what they should be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import type { ObjectId } from '../../src/formats/digest.js'
import { lookup, lookupAs } from '../../src/formats/gvariant/dictionary.js'
import { readValue } from '../../src/formats/gvariant/read.js'
import { parseType } from '../../src/formats/gvariant/type.js'
import type { Dictionary, Variant } from '../../src/formats/gvariant/value.js'
import { variant, writeValue } from '../../src/formats/gvariant/write.js'
import { CommitStream } from '../../src/formats/ostree/commit-stream.js'
import { applyPatch } from '../helpers/apply-patch.js'
import { DeltaObjects } from '../../src/formats/ostree/delta/objects.js'
import { deltaSteps, type DeltaStep } from '../../src/formats/ostree/delta/steps.js'
import { underDelta } from '../../src/formats/ostree/delta/superblock-metadata.js'
import { OperationReader } from '../../src/formats/ostree/delta/varint.js'
import { deltaDirectory, parseDeltaName } from '../../src/formats/ostree/delta-path.js'
import { readHeaderPrefix } from '../../src/formats/ostree/file-header.js'
import { parseKeyFile } from '../../src/formats/ostree/key-file.js'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { hashMetadata, parseOstreeId, type OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { decodeRefName, encodeRefName } from '../../src/formats/ref-file-name.js'
import { checkKeptRefName, checkRefName, isLibostreeRef } from '../../src/formats/ostree/ref-name.js'
import { readRepositoryConfig } from '../../src/formats/ostree/repository-config.js'
import { readSummaryCache, writeSummaryCache } from '../../src/formats/ostree/summary-cache.js'
import { xattrMap, xattrsOfMap } from '../../src/formats/ostree/xattrs.js'

function refuses(code: ErrorCode, about: RegExp, act: () => unknown): void {
  assert.throws(act, (error) => error instanceof SluiceError && error.code === code && about.test(error.message))
}

const hex = 'ab'.repeat(32) as OstreeId

test('GVariant that is not in normal form is refused', () => {
  const cases: readonly [type: string, bytes: string, why: RegExp][] = [
    ['b', '02', /boolean/],
    ['s', '', /zero byte/],
    ['s', '610061', /zero byte/],
    ['s', 'ff00', /UTF-8/],
    ['o', '6100', /object path/],
    ['g', '7b7300', /signature/],
    ['g', '6d7300', /signature/],
    ['as', '02', /damaged/],
    ['as', '6100620002', /overlap/],
    ['as', '610062000402', /overlap/],
    ['(su)', '61000100000000000002', /overlap|outside|padding/],
    ['(uy)', '0100000002000001', /padding/],
    ['(ys)', '', /outside|overlap|zero byte|shorter/],
    ['v', '61', /type/],
    ['v', '6100', /type/],
    ['v', '00007373', /type/],
    ['mi', '0100', /takes 4 bytes/],
    ['()', '01', /padding/],
  ]
  for (const [type, bytes, why] of cases) {
    refuses('SLUICE_FORMAT', why, () => readValue(parseType(type), Buffer.from(bytes, 'hex')))
  }
  // Offsets of two bytes, which 256 bytes of elements need, and 200 do not.
  const wide = (body: number, count: number) =>
    Buffer.concat([Buffer.alloc(body), Buffer.from(new Uint16Array(count).fill(body).buffer)])
  assert.equal(readValue(parseType<readonly Uint8Array[]>('aay'), wide(256, 2)).length, 2)
  refuses('SLUICE_FORMAT', /wider/, () => readValue(parseType('aay'), wide(200, 40)))
})

test('types nest to 128 levels, variants included, and no deeper', () => {
  assert.equal(parseType(`${'a'.repeat(128)}s`).depth, 128)
  for (const text of [`${'a'.repeat(129)}s`, '', 'ss', '(s', '{vs}', '{sss}', 'z', 'a', '\u0161']) {
    refuses('SLUICE_FORMAT', /not a type/, () => parseType(text))
  }
  const nest = (levels: number) => {
    let value = variant('s', 'x')
    for (let level = 1; level < levels; level++) value = variant('v', value)
    return writeValue(parseType('v'), value)
  }
  readValue(parseType('v'), nest(128))
  refuses('SLUICE_FORMAT', /levels/, () => readValue(parseType('v'), nest(129)))
  // Variants inside of what else holds values: two levels each.
  for (const [type, wrap] of [
    ['av', (value: Variant) => [value]],
    ['mv', (value: Variant) => [value]],
    ['(v)', (value: Variant) => [value]],
    ['(yv)', (value: Variant) => [0, value]],
  ] as const) {
    const nestIn = (levels: number) => {
      let value = variant('s', 'x')
      for (let level = 1; level < levels; level += 2) value = variant(type, wrap(value))
      return writeValue(parseType('v'), value)
    }
    readValue(parseType('v'), nestIn(127))
    refuses('SLUICE_FORMAT', /levels/, () => readValue(parseType('v'), nestIn(129)))
  }
})

test('dictionaries give the first value of a name, and know its type', () => {
  const dictionary: Dictionary = [
    ['a', variant('s', 'one')],
    ['a', variant('s', 'two')],
  ]
  assert.equal(lookupAs(dictionary, 'a', parseType<string>('s')), 'one')
  assert.equal(lookup(dictionary, 'b'), undefined)
  refuses('SLUICE_FORMAT', /a is of type "s", not u/, () => lookupAs(dictionary, 'a', parseType<number>('u')))
  refuses('SLUICE_FORMAT', /zero byte/, () => variant('s', 'a\0b'))
})

test('refs are paths without tricks, and one file name', () => {
  for (const name of ['a', 'alpha/main', 'origin:a/b', 'a%2Fb/%', 'fedora/x86_64/coreos-1.2']) {
    assert.equal(checkRefName(name), name)
    assert.ok(!encodeRefName(name).includes('/'))
    assert.equal(decodeRefName(encodeRefName(name)), name)
  }
  assert.equal(encodeRefName('a/b%2F'), 'a%2Fb%252F')
  for (const name of [
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    'a/../b',
    '..',
    'a\0',
    'x'.repeat(256),
    'a/'.repeat(70) + 'a'.repeat(46),
  ]) {
    refuses('SLUICE_USAGE', /ostree ref/, () => checkRefName(name))
  }
  // What cfsctl 0.9.4 takes for the name of a stored commit.
  for (const name of ['/a', 'a/', 'a//b', '//', 'a/../b', '\n', 'é'.repeat(100)]) {
    assert.equal(checkKeptRefName(name), name)
    assert.equal(decodeRefName(encodeRefName(name)), name)
  }
  for (const name of ['', '.', '..', 'a\0', 'x'.repeat(256), 'é'.repeat(128)]) {
    refuses('SLUICE_USAGE', /ostree ref/, () => checkKeptRefName(name))
  }
  assert.ok(isLibostreeRef('origin:fedora/39'))
  assert.ok(!isLibostreeRef('-a') && !isLibostreeRef('a b') && !isLibostreeRef('a:b:c'))
})

test('ids are 64 hex digits, names of deltas one or two of them', () => {
  assert.equal(parseOstreeId(hex.toUpperCase()), hex)
  for (const text of ['', hex.slice(1), `${hex}0`, `${hex.slice(1)}g`]) {
    refuses('SLUICE_FORMAT', /object id/, () => parseOstreeId(text))
  }
  assert.deepEqual(parseDeltaName(hex), { to: hex })
  assert.deepEqual(parseDeltaName(`${hex}-${'0'.repeat(64)}`), { from: hex, to: '0'.repeat(64) })
  for (const name of ['', 'x', `${hex}-`, `${hex}-${hex}-${hex}`]) assert.equal(parseDeltaName(name), undefined)
})

test('configuration of repositories', () => {
  const config =
    '# c\n[core]\n repo_version = 1\nmode=archive-z2\n; c\n[remote "o"]\nurl=http://x/?a=b\n\n[core]\nparent=/p\n'
  const { mode, parent } = readRepositoryConfig(config, 'config')
  assert.deepEqual([mode, parent], ['archive', '/p'])
  assert.equal(parseKeyFile(config, 'config').get('remote "o"')?.get('url'), 'http://x/?a=b')
  refuses('SLUICE_CONFIG', /config: No \[core\] section in config/, () => readRepositoryConfig('[x]\n', 'config'))
  refuses('SLUICE_CONFIG', /No mode in \[core\] section/, () => readRepositoryConfig('[core]\n', 'config'))
  refuses('SLUICE_UNSUPPORTED', /Unsupported repo mode weird/, () => readRepositoryConfig('[core]\nmode=weird', 'c'))
  for (const text of ['a=b', '[core]\nx', '[core]\n=x']) refuses('SLUICE_CONFIG', /line/, () => parseKeyFile(text, 'c'))
})

test('xattr names lose exactly one zero byte, or none', () => {
  const xattrs = [[Buffer.from('user.a\0\0'), Buffer.from('v\0')]] as const
  assert.deepEqual([...xattrMap(xattrs, false)], [['user.a\0', 'v\0']])
  assert.deepEqual([...xattrMap(xattrs, true)], [['user.a\0\0', 'v\0']])
})

test('xattrs of a file tree get the zero bytes that ostree has, and are sorted', () => {
  const map = new Map([
    ['user.b\0', '1'],
    ['security.selinux', 'label'],
    ['user.a', '2'],
  ])
  const texts = (keepNames: boolean) =>
    xattrsOfMap(map, keepNames).map((pair) => pair.map((bytes) => Buffer.from(bytes).toString()))
  assert.deepEqual(texts(false), [
    ['security.selinux\0', 'label\0'],
    ['user.a\0', '2'],
    ['user.b\0', '1'],
  ])
  assert.deepEqual(texts(true), [
    ['security.selinux', 'label\0'],
    ['user.a', '2'],
    ['user.b\0', '1'],
  ])
  assert.deepEqual(xattrsOfMap(new Map([['security.selinux\0', 'label']]), true)[0][1], Buffer.from('label'))
})

test('a stated length of a header is refused before it is read', () => {
  refuses('SLUICE_FORMAT', /states a length/, () => readHeaderPrefix(Buffer.from('7fffffff00000000', 'hex')))
  refuses('SLUICE_FORMAT', /not zero/, () => readHeaderPrefix(Buffer.from('0000001200000001', 'hex')))
})

test('summaries in the cache', () => {
  const cached = writeSummaryCache('"etag"', 'Mon', Buffer.from('summary'))
  const { etag, lastModified, summary } = readSummaryCache(cached)
  assert.deepEqual([etag, lastModified, summary.toString()], ['"etag"', 'Mon', 'summary'])
  refuses('SLUICE_FORMAT', /damaged/, () => readSummaryCache(cached.subarray(0, -1)))
  refuses('SLUICE_FORMAT', /ends in/, () => readSummaryCache(cached.subarray(0, 37)))
})

/** A stream of a commit and 2,999 other objects, every third of them external. */
function largeStream(): { payload: Buffer; externals: readonly ObjectId[]; ids: OstreeId[] } {
  const collection = new ObjectCollection()
  const ids = Array.from({ length: 3000 }, (_, index) => {
    const data = Buffer.alloc(index === 7 ? 3_000_000 : (index % 9) * 100, index)
    const id = hashMetadata(Buffer.from(`object ${index}`))
    collection.add(id, data, index % 3 === 1 ? ((index % 5).toString().padStart(64, '0') as ObjectId) : undefined)
    return id
  })
  const { pieces, externals, size } = collection.payload(ids[0])
  const payload = Buffer.concat([...pieces()])
  assert.equal(payload.length, size)
  return { payload, externals, ids }
}

test('a commit stream finds each of its objects, and no others', () => {
  const { payload, externals, ids } = largeStream()
  assert.equal(externals.length, 5)
  const stream = new CommitStream(payload, externals.length)
  assert.equal(stream.commit, ids[0])
  for (const [index, id] of ids.entries()) {
    const { data, external } = stream.get(id)!
    assert.equal(data.length, index === 7 ? 3_000_000 : (index % 9) * 100)
    assert.ok(data.length === 0 || data[0] === (index & 0xff))
    assert.equal(external === undefined, index % 3 !== 1)
    assert.equal(stream.get(hashMetadata(Buffer.from(`other ${index}`))), undefined)
  }
})

test('a commit stream is in the order of ids, also of those that begin alike', () => {
  const alike = ['ff000001', 'ff000000', '00000000', '80000000']
  const ids = alike.flatMap((head) =>
    Array.from({ length: 40 }, (_, i) => (head + hashMetadata(Buffer.from(`${head} ${i % 39}`)).slice(8)) as OstreeId),
  )
  const collection = new ObjectCollection()
  const added = ids.filter((id) => collection.add(id, Buffer.from(id)))
  assert.equal(added.length, 4 * 39)
  const { pieces, externals } = collection.payload(ids[5])
  const stream = new CommitStream(Buffer.concat([...pieces()]), externals.length)
  const stored = Array.from({ length: stream.count }, (_, i) => stream.idAt(i))
  assert.deepEqual(stored, [...added].sort())
  for (const id of added) assert.equal(stream.data(id)?.toString(), id)
  assert.equal(stream.commit, ids[5])
})

test('damage to a commit stream is seen', () => {
  const { payload, externals } = largeStream()
  const idTable = 1032
  const entries = idTable + 32 * 3000
  const cases: readonly [why: RegExp, damage: (bytes: Buffer) => void][] = [
    [/commit 3000 of 3000/, (bytes) => bytes.writeUInt32LE(3000, 0)],
    [/bucket/, (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(12) + 1, 8)],
    [/cannot hold/, (bytes) => bytes.writeUInt32LE(0xffff_ffff, 8 + 255 * 4)],
    [/out of order/, (bytes) => bytes.copyWithin(idTable + 32, idTable, idTable + 32)],
    [/ends behind/, (bytes) => bytes.writeUInt32LE(0xffff_ffff, entries)],
    [/ends behind/, (bytes) => bytes.writeUInt32LE(0xffff_ffff, entries + 4)],
    [/external object 5 of 5/, (bytes) => bytes.writeUInt32LE(5, entries + 8)],
  ]
  for (const [why, damage] of cases) {
    const bytes = Buffer.from(payload)
    damage(bytes)
    refuses('SLUICE_FORMAT', why, () => new CommitStream(bytes, externals.length))
  }
  refuses('SLUICE_FORMAT', /in its head/, () => new CommitStream(payload.subarray(0, 1031), 5))
  refuses('SLUICE_FORMAT', /ends behind/, () => new CommitStream(payload.subarray(0, -400), 5))
})

test('arguments of operations', () => {
  const read = (...bytes: number[]) => new OperationReader(Buffer.from(bytes)).varint()
  assert.equal(read(0), 0)
  assert.equal(read(0x80, 0x01), 128)
  assert.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), Number.MAX_SAFE_INTEGER)
  assert.equal(read(0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), 5)
  const long = [0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]
  refuses('SLUICE_FORMAT', /out of range/, () => read(...long))
  refuses('SLUICE_FORMAT', /out of range/, () => read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10))
  refuses('SLUICE_FORMAT', /end inside/, () => read(0x80))
})

const data = Buffer.concat([Buffer.alloc(32, 0xab), Buffer.from('target')])
const modes = [0o100644, 0o120777, 0o40755].map((mode) => ({ uid: 1, gid: 2, mode }))

function steps(types: readonly number[], ...operations: number[]): DeltaStep[] {
  const records = types.flatMap((type) => [type, ...Buffer.alloc(32, 0xcd)])
  return [
    ...deltaSteps(
      { modes, xattrs: [[]], data, operations: Buffer.from(operations) },
      new DeltaObjects(Buffer.from(records)),
    ),
  ]
}

const [S, O, W, R, U, C, B] = Buffer.from('SowrRcB')

test('operations of a delta', () => {
  const id = 'cd'.repeat(32)
  assert.deepEqual(steps([2], S, 6, 32), [{ kind: 'metadata', type: 'dirtree', id, data: Buffer.from('target') }])
  const [link] = steps([1], S, 1, 0, 6, 32)
  assert.ok(link.kind === 'file')
  assert.deepEqual([link.header.target, link.header.size, link.content.length], ['target', 0, 0])
  assert.deepEqual(
    steps([1], O, 0, 0, 9, W, 3, 32, R, 0, W, 4, 100, U, W, 2, 36, C).map(({ kind }) => kind),
    ['open', 'append', 'copy', 'append', 'close'],
  )
  const [, copy] = steps([1], O, 0, 0, 4, R, 0, W, 4, 100, C)
  assert.deepEqual(copy, { kind: 'copy', source: hex, offset: 100, length: 4 })
  const [, patch] = steps([1], O, 0, 0, 4, R, 0, B, 32, 6, C)
  assert.deepEqual(patch, { kind: 'patch', source: hex, patch: Buffer.from('target'), size: 4 })
})

test('operations that make no sense are refused', () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]
  const cases: readonly [why: RegExp, types: number[], operations: number[]][] = [
    [/unknown operation/, [1], [0]],
    [/0 of 1 objects/, [1], []],
    [/more objects/, [], [S, 0, 0]],
    [/bytes 33 to 39 of 38/, [2], [S, 6, 33]],
    [/bytes/, [2], [S, ...huge, ...huge]],
    [/bytes/, [2], [S, 1, ...huge]],
    [/no such mode/, [1], [S, 3, 0, 0, 0]],
    [/no such mode/, [1], [S, 0, 1, 0, 0]],
    [/neither that of a regular/, [1], [S, 2, 0, 0, 0]],
    [/no target/, [1], [S, 1, 0, 0, 0]],
    [/no target/, [1], [O, 1, 0, 0, C]],
    [/opened as if/, [2], [O, 0, 0, 0, C]],
    [/no file is open/, [1], [W, 0, 0]],
    [/not open/, [1], [C]],
    [/inside a file/, [1, 1], [O, 0, 0, 0, O, 0, 0, 0]],
    [/before a file does/, [1], [O, 0, 0, 0]],
    [/more bytes/, [1], [O, 0, 0, 1, W, 2, 0]],
    [/of 2 bytes gets 1/, [1], [O, 0, 0, 2, W, 1, 0, C]],
    [/nothing to patch/, [1], [O, 0, 0, 0, B, 0, 0]],
    [/part of a file/, [1], [O, 0, 0, 2, W, 1, 0, R, 0, B, 0, 0]],
    [/part of a file/, [1], [R, 0, B, 0, 0]],
    [/bytes 7 to 39/, [1], [R, 7]],
    [/bytes 33 to 39/, [1], [O, 0, 0, 2, R, 0, B, 33, 6]],
    [/type 6/, [6], [S, 0, 0]],
    [/end inside/, [1], [O, 0]],
  ]
  for (const [why, types, operations] of cases) refuses('SLUICE_FORMAT', why, () => steps(types, ...operations))
  refuses('SLUICE_FORMAT', /inside a record/, () => new DeltaObjects(Buffer.alloc(34)))
})

function patchOf(...controls: readonly [diff: string | bigint, extra: string | bigint, seek: bigint][]): Buffer {
  const word = (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value < 0n ? (1n << 63n) | -value : value)
    return bytes
  }
  const size = (piece: string | bigint) => word(typeof piece === 'bigint' ? piece : BigInt(piece.length))
  const content = (piece: string | bigint) => Buffer.from(typeof piece === 'bigint' ? '' : piece, 'latin1')
  return Buffer.concat(
    controls.flatMap(([diff, extra, seek]) => [size(diff), size(extra), word(seek), content(diff), content(extra)]),
  )
}

test('patches', () => {
  const old = Buffer.from('abcdef')
  const patch = patchOf(['\0\x01', 'X', 2n], ['\xff', '', -5n], ['\0', '', 0n])
  assert.equal(applyPatch(old, patch, 5).toString(), 'acXda')
  assert.equal(applyPatch(old, Buffer.alloc(0), 0).length, 0)
  // It ends where the new content does, whatever follows.
  assert.equal(applyPatch(old, Buffer.concat([patch, Buffer.from('more')]), 5).toString(), 'acXda')
  const cases: readonly [patch: Buffer, size: number][] = [
    [patch, 2],
    [patch, 6],
    [patch, 1000],
    [patch.subarray(0, -1), 5],
    [patchOf(['\0'.repeat(7), '', 0n]), 7],
    [patchOf(['', 'x', -1n], ['\0', '', 0n]), 2],
    [patchOf(['', 'x', 6n], ['\0', '', 0n]), 2],
    [patchOf([-1n, 'xx', 0n]), 1],
    [patchOf(['x', -1n, 0n]), 1],
    [patchOf([2n ** 62n, 2n ** 62n, 0n]), 10],
    [patchOf(['', '', 2n ** 53n - 1n], ['', '', 2n ** 53n - 1n], ['', 'x', 0n]), 1],
  ]
  for (const [bytes, size] of cases) refuses('SLUICE_FORMAT', /bspatch/, () => applyPatch(old, bytes, size))
})

test('keys of a superblock: the exact one before one that ends alike', () => {
  const ends = { to: hex }
  const find = underDelta(
    [
      ['deltas/other/0', 'loose 0'],
      ['deltas/other/1', 'loose 1'],
      [`${deltaDirectory(ends)}/0`, 'exact 0'],
      ['elsewhere/2', 'no'],
    ],
    ends,
  )
  assert.deepEqual([find('0'), find('1'), find('2')], ['exact 0', 'loose 1', undefined])
})
