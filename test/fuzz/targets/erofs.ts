/** EROFS images, and dumpfiles, from which they are made. */
import assert from 'node:assert/strict'
import { readDumpfile } from '../../../src/formats/dumpfile/read.js'
import { writeDumpfile } from '../../../src/formats/dumpfile/write.js'
import type { ErofsVersion } from '../../../src/formats/erofs/format.js'
import { checkErofs, listErofsObjects } from '../../../src/formats/erofs/list-objects.js'
import { loadErofsTree } from '../../../src/formats/erofs/load.js'
import { openErofs } from '../../../src/formats/erofs/open.js'
import { writeErofs } from '../../../src/formats/erofs/write.js'
import { SluiceError } from '../../../src/errors.js'
import type { Directory } from '../../../src/formats/tree/tree.js'
import { readSeeds } from '../corpus.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const dump = (root: Directory) => [...writeDumpfile(root)].join('\n')

/** What `work` gives; undefined if it is refused. */
function unlessRefused<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SluiceError) return undefined
    throw error
  }
}

function runErofs(input: Buffer, random: Random): void {
  const image = openErofs(input)
  unlessRefused(() => checkErofs(image))
  unlessRefused(() => listErofsObjects(image, random.pick(['sha256', 'sha512'])))
  const tree = loadErofsTree(image)
  const { version } = image
  rewrite(tree, version)
}

/** A reader takes more than a writer makes, such as empty files with a digest; but what was written once stays as it is. */
function rewrite(tree: Directory, version: ErofsVersion): void {
  const written = unlessRefused(() => writeErofs(tree, { version }))
  if (written === undefined) return
  const loaded = loadErofsTree(openErofs(written))
  const twice = loadErofsTree(openErofs(writeErofs(loaded, { version })))
  assert.equal(dump(twice), dump(loaded), 'an image of an image is the same')
}

function runDumpfile(input: Buffer, random: Random): void {
  const algorithm = random.pick(['sha256', 'sha512'] as const)
  const { root, hints } = readDumpfile(input, { algorithm })
  const text = dump(root)
  const again = readDumpfile(Buffer.from(text, 'latin1'), { algorithm })
  assert.equal(dump(again.root), text, 'a dumpfile that is written again is the same')
  const version = random.pick([0, 1, 2] as const)
  unlessRefused(() => loadErofsTree(openErofs(writeErofs(root, { version, hints }))))
  rewrite(root, version)
}

const paths = ['/', '/a', '/a/b', '/b', '/..', '/.', '//', 'a', '', '/c\\x00', '/00', '/-', `/${'n'.repeat(256)}`]
const payloads = ['-', '', '/a', 'x', 'ab/cdef', `${'0'.repeat(2)}/${'1'.repeat(62)}`, 't'.repeat(1025), '\\x00']
const numbers = ['0', '1', '4096', '4294967295', '4294967296', '9007199254740993', '-1', '', '+3', '9'.repeat(30)]
const modes = [
  '100644',
  '40755',
  '120777',
  '20644',
  '60644',
  '10644',
  '140644',
  '@100644',
  '@120000',
  '170000',
  '777777',
]
const xattrs = [
  'user.a=1',
  'trusted.overlay.opaque=y',
  '=x',
  'user.b',
  'security.selinux=s\\x00',
  'trusted.overlay.overlay.x=',
]

function generateDumpfile(random: Random): Buffer {
  const usual = <Item>(value: Item, others: readonly Item[]) => (random.chance(0.85) ? value : random.pick(others))
  const lines = Array.from({ length: 1 + random.below(8) }, (_, i) => {
    const path = i === 0 ? usual('/', paths) : usual(`/${random.pick(['', 'd/', 'd/e/'])}f${i}`, paths)
    const mode = i === 0 ? '40755' : random.chance(0.3) ? '40755' : random.pick(modes)
    const fields = [
      i === 1 && random.chance(0.5) ? '/d' : path,
      usual('0', numbers),
      i === 1 ? usual('40755', modes) : mode,
      usual('1', numbers),
      usual('0', numbers),
      usual('0', numbers),
      usual('0', numbers),
      `${usual('5', numbers)}.${usual('0', numbers)}`,
      mode.includes('120') || mode.startsWith('@') ? random.pick(['/d/f2', '/f1', 'x']) : usual('-', payloads),
      usual('-', ['x', 'abc\\n', 'c'.repeat(513)]),
      usual('-', ['a'.repeat(64), 'B'.repeat(128), 'zz']),
      ...Array.from({ length: random.chance(0.2) ? random.below(4) : 0 }, () => random.pick(xattrs)),
    ]
    return fields.join(' ')
  })
  return Buffer.from(`${lines.join('\n')}\n`, 'latin1')
}

export const erofsTarget: Target = {
  name: 'erofs',
  weight: 6,
  limit: 128 * 1024,
  seeds: readSeeds('erofs', ['erofs/images', 'erofs/corrupt'], /\.img\.gz$/),
  run: runErofs,
}

export const dumpfileTarget: Target = {
  name: 'dumpfile',
  weight: 4,
  limit: 16 * 1024,
  seeds: readSeeds(
    'dumpfile',
    ['erofs/accept', 'erofs/invalid', 'erofs/dumps', 'erofs/composefs-c-assets'],
    /\.dump(\.gz)?$/,
  ),
  generate: generateDumpfile,
  run: runDumpfile,
}
