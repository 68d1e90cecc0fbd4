/** A layer's way: tar to parts, parts to entries, entries to a tree, the tree to an image and back. */
import assert from 'node:assert/strict'
import type { ObjectId } from '../../../src/formats/digest.js'
import { writeDumpfile } from '../../../src/formats/dumpfile/write.js'
import { checkErofs } from '../../../src/formats/erofs/list-objects.js'
import { loadErofsTree } from '../../../src/formats/erofs/load.js'
import { openErofs } from '../../../src/formats/erofs/open.js'
import { writeErofs } from '../../../src/formats/erofs/write.js'
import { dumpTarEntry } from '../../../src/formats/tar/dump.js'
import { LayerMerger } from '../../../src/formats/tree/merge.js'
import { finishTree } from '../../../src/formats/tree/transform.js'
import { endMarker, entry, magic, paxText, seal, type HeaderFields } from '../../helpers/tar-build.js'
import { checkCollected, joinParts, readEntries, splitTar } from '../../helpers/tar-parts.js'
import { readSeeds } from '../corpus.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

/** Names an object by its size and first byte: enough to see a mix-up. */
const name = (content: Buffer): ObjectId =>
  `${content.length.toString(16)}${content[0].toString(16)}`.padStart(64, '0') as ObjectId

const paths = ['usr', 'usr/a', './usr/b/', '/usr', '..', '../x', 'a/../b', '.', '', 'usr/.wh.a', '.wh..wh..opq', '00']
const long = ['d/'.repeat(3000), 'n'.repeat(300), `${'x/'.repeat(2047)}y`, 'usr/a\0b', 'usr//a']
const numbers = [
  '0000010\0',
  '0000000\0',
  '7777777\0',
  '\x80\0\0\0\0\0\0\x05',
  '\xff'.repeat(8),
  'garbage\0',
  '       \0',
]
const sizes = [
  '00000000101\0',
  '77777777777\0',
  '\x80\0\0\0\0\0\0\0\0\0\0\x41',
  '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff',
]
const flags = ['0', '\0', '1', '2', '3', '4', '5', '6', '7', 'S', 'g', 'x', 'L', 'K', 'Z']
const paxKeys = ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime', 'GNU.sparse.major', 'GNU.sparse.name', 'comment']
const paxValues = [
  'usr/p',
  '0',
  '65',
  '18446744073709551616',
  '1.5',
  '-1',
  '',
  '\xff',
  'x'.repeat(400),
  '+0012.99999999999',
]

function generateEntry(random: Random): Buffer {
  if (random.chance(0.05)) return Buffer.alloc(512 * (1 + random.below(2)))
  const maybe = <Key extends string>(key: Key, choices: readonly string[], probability = 0.1): Record<string, string> =>
    random.chance(probability) ? { [key]: random.pick(choices) } : {}
  if (random.chance(0.2)) {
    const records = Array.from({ length: random.below(5) }, () => {
      const key = random.chance(0.3) ? `SCHILY.xattr.user.${random.below(3)}` : random.pick(paxKeys)
      const text = ` ${key}=${random.pick([...paxValues, ...paths])}\n`
      const length = text.length + 2 + (text.length > 97 ? 1 : 0) - (text.length < 9 ? 1 : 0)
      return `${random.chance(0.95) ? length : random.below(2000)}${text}`
    })
    return paxText(records.join('') + random.pick(['', '', '\0\0', 'x']))
  }
  if (random.chance(0.1))
    return entry({ flag: random.pick(['L', 'K']), magic: magic.gnu }, random.pick([...long, ...paths]))
  const fields: HeaderFields = {
    name: random.pick(paths),
    flag: random.chance(0.5) ? '0' : random.pick(flags),
    magic: random.pick([magic.ustar, magic.ustar, magic.gnu, magic.v7]),
    ...maybe('link', paths, 0.4),
    ...maybe('prefix', [...paths, 'p'.repeat(150)]),
    ...maybe('mode', numbers),
    ...maybe('uid', numbers),
    ...maybe('gid', numbers),
    ...maybe('major', numbers),
    ...maybe('minor', numbers),
    ...maybe('mtime', [...sizes, 'x\0']),
    ...maybe('size', sizes, 0.05),
    ...maybe('checksum', ['0', '\0'], 0.01),
  }
  return entry(fields, 'c'.repeat(random.chance(0.5) ? 0 : random.length(700)))
}

/** Damage makes most checksums wrong, and hides what is behind them. */
function repairChecksums(input: Buffer, random: Random): Buffer {
  if (random.chance(0.1)) return input
  for (let at = 0; at + 512 <= input.length; at += 512) {
    const looksLikeHeader = input.toString('latin1', at + 257, at + 261) === 'usta' || input[at + 154] === 0
    if (looksLikeHeader && input[at] !== 0) seal(input.subarray(at, at + 512))
  }
  return input
}

function run(input: Buffer, random: Random): void {
  const pieces = random.pick([[input.length], [1, 511], [513], [1 + random.below(3000)]])
  const parts = splitTar(input, pieces)
  assert.deepEqual(joinParts(parts), input, 'the parts are the tar')
  const { entries, error } = readEntries(parts, name, pieces)
  checkCollected(input, name, { entries, error }, pieces)
  for (const each of entries) dumpTarEntry(each)
  if (error !== undefined) throw error
  const options = { parity: random.chance(0.2), xattrs: random.pick(['allowlist-only', 'keep-user-xattrs'] as const) }
  const merger = new LayerMerger(options)
  for (const each of entries) merger.apply(each)
  finishTree(merger.root, options)
  const version = random.pick([1, 2] as const)
  const image = openErofs(writeErofs(merger.root, { version, dialect: 'rust' }))
  checkErofs(image)
  const loaded = loadErofsTree(image)
  const again = loadErofsTree(openErofs(writeErofs(loaded, { version, dialect: 'rust' })))
  assert.deepEqual([...writeDumpfile(again)], [...writeDumpfile(loaded)], 'an image of an image is the same')
}

export const tarTarget: Target = {
  name: 'tar',
  weight: 8,
  limit: 64 * 1024,
  seeds: readSeeds('tar', ['oci/tar', 'repository/tars'], /\.tar(\.gz)?$/),
  generate: (random) =>
    Buffer.concat([...Array.from({ length: 1 + random.below(8) }, () => generateEntry(random)), endMarker]),
  repair: repairChecksums,
  run,
}
