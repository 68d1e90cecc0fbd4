import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { pack, type Header } from 'tar-stream'
import { SluiceError } from '../../src/errors.js'
import { toByteString } from '../../src/formats/bytes.js'
import type { ObjectId } from '../../src/formats/digest.js'
import { dumpTarEntry } from '../../src/formats/tar/dump.js'
import type { TarEntry } from '../../src/formats/tar/entries.js'
import { LayerMerger } from '../../src/formats/tree/merge.js'
import { finishTree } from '../../src/formats/tree/transform.js'
import { directory, endMarker, entry, pax, seal } from '../helpers/tar-build.js'
import { checkCollected, joinParts, readEntries, splitTar } from '../helpers/tar-parts.js'

/** Names an object by its size and first byte: enough to see a mix-up. */
const name = (content: Buffer): ObjectId =>
  `${content.length.toString(16)}-${content[0] ?? 0}`.padStart(64, '0') as ObjectId

const pieces = fc.oneof(
  fc.constantFrom([1], [511], [512], [513]),
  fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
)

/** A well-formed part of an archive: an entry with all that belongs to it, or something that means nothing. */
const part = fc.oneof(
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 90 }), fc.constantFrom('0', '5', '1', '2', '7'), fc.nat(2000))
    .map(([path, flag, size]) =>
      entry({ name: Buffer.from(path).toString('latin1').slice(0, 99), flag }, 'c'.repeat(size)),
    )
    .filter((block) => block[0] !== 0),
  fc
    .tuple(fc.string({ minLength: 1 }), fc.nat(700))
    .map(([path, size]) =>
      Buffer.concat([
        pax(['path', Buffer.from(path).toString('latin1')], ['mtime', '5.25']),
        entry({ name: 'short' }, 'p'.repeat(size)),
      ]),
    ),
  fc
    .nat(1500)
    .map((size) => Buffer.concat([entry({ flag: 'L' }, `l${'n'.repeat(size)}\0`), entry({}, 'x'.repeat(70))])),
  fc.nat(600).map((size) => entry({ flag: 'g' }, 'g'.repeat(size))),
  fc.constant(Buffer.alloc(512)),
)

const archive = fc
  .tuple(fc.array(part, { maxLength: 12 }), fc.uint8Array({ maxLength: 1500 }))
  .map(([parts, tail]) => Buffer.concat([...parts, directory('usr'), endMarker, tail]))

test('how a tar is cut does not change what is made of it', () => {
  fc.assert(
    fc.property(archive, pieces, pieces, (tar, splitSizes, readSizes) => {
      const whole = splitTar(tar)
      assert.deepEqual(splitTar(tar, splitSizes), whole)
      assert.deepEqual(joinParts(whole), tar)
      assert.ok(
        whole.every((part, at) => 'object' in part === (at % 2 === 1)),
        'inline and objects alternate',
      )
      const entries = readEntries(whole, name)
      assert.equal(entries.error, undefined)
      assert.deepEqual(readEntries(whole, name, readSizes), entries)
      checkCollected(tar, name, entries, splitSizes)
    }),
    { numRuns: 150 },
  )
})

/** What a tree may hold, in tar-stream's words. */
const member = fc.record({
  type: fc.constantFrom<NonNullable<Header['type']>>(
    'file',
    'directory',
    'symlink',
    'link',
    'fifo',
    'character-device',
  ),
  name: fc.stringMatching(/^[a-zA-Zäöü€ .-]{1,40}(\/[a-z]{1,90}){0,3}$/).filter((path) => path.trim() !== ''),
  linkname: fc.stringMatching(/^[a-zä/.]{1,150}$/),
  // tar-stream takes 0 for "not given".
  mode: fc.integer({ min: 1, max: 0o7777 }),
  // Six digits are all that tar-stream writes.
  uid: fc.nat(0o777777),
  gid: fc.nat(0o777777),
  // It counts seconds in 31 bits.
  seconds: fc.nat(0x7fffffff),
  content: fc.oneof(fc.string({ maxLength: 64 }), fc.string({ minLength: 65, maxLength: 2000 })),
})

type Member = typeof member extends fc.Arbitrary<infer T> ? T : never

async function packed(members: readonly Member[]): Promise<Buffer> {
  const archive = pack()
  for (const { content, seconds, ...rest } of members) {
    const header = { ...rest, mtime: new Date(seconds * 1000), devmajor: 1, devminor: 3 }
    if (rest.type === 'file') archive.entry(header, content)
    else archive.entry({ ...header, size: 0 })
  }
  archive.finalize()
  return buffer(archive)
}

function utf8(text: string): string {
  return toByteString(Buffer.from(text))
}

/** The entry that must come of a member. */
function expectedEntry({ type, name: path, linkname, mode, uid, gid, seconds, content }: Member): TarEntry {
  const absolute = (path: string): string => `/${utf8(path).replace(/^\//, '')}`.replace(/\/+$/, '')
  const stat = { mode, uid, gid, mtime: BigInt(seconds), mtimeNsec: 0, xattrs: new Map() }
  const common = { path: absolute(path), stat }
  const bytes = Buffer.from(content)
  switch (type) {
    case 'directory':
      return { type, ...common }
    case 'link':
      return { type: 'hardlink', path: common.path, target: absolute(linkname) }
    case 'symlink':
      return { type: 'leaf', ...common, content: { type, target: utf8(linkname) } }
    case 'fifo':
      return { type: 'leaf', ...common, content: { type } }
    case 'character-device':
      return { type: 'leaf', ...common, content: { type: 'chr', rdev: 0x103 } }
    default:
      return bytes.length > 64
        ? { type: 'leaf', ...common, content: { type: 'external', id: name(bytes), size: bytes.length } }
        : { type: 'leaf', ...common, content: { type: 'inline', data: bytes } }
  }
}

test('what tar-stream packs is read back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(member, { maxLength: 8 }), pieces, async (members, sizes) => {
      const { entries, error } = readEntries(splitTar(await packed(members), sizes), name)
      assert.equal(error, undefined)
      const plain = (entry: TarEntry): unknown =>
        entry.type === 'leaf' && entry.content.type === 'inline'
          ? { ...entry, content: { type: 'inline', data: toByteString(entry.content.data) } }
          : entry
      assert.deepEqual(entries.map(plain), members.map(expectedEntry).map(plain))
    }),
    { numRuns: 100 },
  )
})

const wellFormed = Buffer.concat([
  directory('usr/'),
  entry({ name: 'usr/a' }, 'a'.repeat(64)),
  entry({ name: 'usr/b' }, 'b'.repeat(700)),
  pax(['path', 'usr/long'], ['mtime', '1.5'], ['size', '3'], ['SCHILY.xattr.user.x', 'v']),
  entry({}, 'abc'),
  entry({ flag: 'L' }, 'usr/longer\0'),
  entry({}),
  entry({ name: 'usr/l', flag: '2', link: '../usr' }),
  entry({ name: 'usr/l/x', flag: '1', link: 'usr/l/a' }),
  entry({ name: 'usr/.wh.b' }),
  entry({ name: 'usr/dev', flag: '3', major: '0000005\0' }),
  endMarker,
])

/** Bytes that mean something somewhere in a header, and any other. */
const byte = fc.oneof(fc.constantFrom(...Buffer.from('\0 +-.0178=\n/SKLgx\x80\xff', 'latin1')), fc.nat(255))

test('whatever is changed in a tar, only a SluiceError comes of it', () => {
  const changes = fc.array(fc.record({ at: fc.nat(wellFormed.length - 1), byte, sealed: fc.boolean() }), {
    maxLength: 6,
  })
  let accepted = 0
  fc.assert(
    fc.property(changes, fc.option(fc.nat(wellFormed.length)), fc.boolean(), (changes, end, parity) => {
      const tar = Buffer.from(wellFormed)
      for (const change of changes) {
        tar[change.at] = change.byte
        const block = change.at - (change.at % 512)
        if (change.sealed) seal(tar.subarray(block, block + 512))
      }
      try {
        const cut = tar.subarray(0, end ?? tar.length)
        const { entries, error } = readEntries(splitTar(cut), name)
        checkCollected(cut, name, { entries, error })
        if (error !== undefined) throw error
        const merger = new LayerMerger({ parity })
        for (const entry of entries) {
          dumpTarEntry(entry)
          merger.apply(entry)
        }
        finishTree(merger.root, { xattrs: 'keep-user-xattrs', parity })
        accepted++
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  assert.ok(accepted > 20, `only ${accepted} runs reached the end`)
})
