/**
 * Every limit of docs/security.md that an input can break cheaply: what is just inside passes, what is just outside is
 * refused with the code that the page names.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError, type ErrorCode } from '../../src/errors.js'
import type { ByteString } from '../../src/formats/bytes.js'
import { readDumpfile } from '../../src/formats/dumpfile/read.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { parseConfig } from '../../src/formats/oci/config.js'
import { parseReference } from '../../src/formats/oci/reference.js'
import { checkTag } from '../../src/formats/oci/tag-name.js'
import { readSplitstream } from '../../src/formats/splitstream/read.js'
import { encodeSplitstreamHead } from '../../src/formats/splitstream/write.js'
import { LayerMerger } from '../../src/formats/tree/merge.js'
import { newDirectory, newLeaf, noXattrs, type Directory, type LeafContent } from '../../src/formats/tree/tree.js'
import { decompressSection } from '../../src/formats/zstd/decompress.js'
import { parseFrameHeader } from '../../src/formats/zstd/frame-header.js'
import { loadMetadata } from '../../src/repository/init.js'
import { checkName } from '../../src/repository/names.js'
import { checkDocumentSize } from '../../src/stages/fetch/verify-blob.js'
import { parseDigest, type ObjectId } from '../../src/formats/digest.js'
import { rawFrame } from '../fuzz/zstd-frames.js'
import { entry, header, magic, pax, tarOf } from '../helpers/tar-build.js'
import { readEntries, splitTar } from '../helpers/tar-parts.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { projectRoot } from '../helpers/vectors.js'

const page = readFileSync(join(projectRoot, 'docs/security.md'), 'utf8')
const stat = { mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs }
const id = '0'.repeat(64) as ObjectId

interface Limit {
  /** First column of the table. */
  readonly row: string
  readonly code: ErrorCode
  /** The largest value that passes, in what `run` takes. */
  readonly most: number
  readonly run: (value: number) => void
}

/** The tree of a layer with these parts. */
function merge(...parts: readonly Buffer[]): Directory {
  const { entries, error } = readEntries(splitTar(tarOf(...parts)), () => id)
  if (error !== undefined) throw error
  const merger = new LayerMerger({ parity: false })
  for (const each of entries) merger.apply(each)
  return merger.root
}

const longName = (body: string) => entry({ flag: 'L', magic: magic.gnu }, body)

/** `count` symlinks, each to the one before, and a file behind the last. */
function chain(count: number): Buffer[] {
  const links = Array.from({ length: count }, (_, i) =>
    entry({ name: `l${i}`, flag: '2', link: i === 0 ? 'usr' : `l${i - 1}` }),
  )
  return [...links, entry({ name: `l${count - 1}/file` })]
}

function rootWith(
  name: string,
  content: LeafContent,
  xattrs: ReadonlyMap<ByteString, ByteString> = noXattrs,
): Directory {
  const root = newDirectory(stat)
  root.entries.set(name, newLeaf({ ...stat, xattrs }, content))
  return root
}

function nested(depth: number): Directory {
  const root = newDirectory(stat)
  let directory = root
  for (let i = 0; i < depth; i++) {
    const child = newDirectory(stat)
    directory.entries.set('d', child)
    directory = child
  }
  return root
}

const empty: LeafContent = { type: 'inline', data: new Uint8Array(0) }
const write = (root: Directory, version: 1 | 2 = 1) => writeErofs(root, { version })
/** Reads back what is written for layers, whose links have no limit. */
const reread = (root: Directory, version: 1 | 2) =>
  loadErofsTree(openErofs(writeErofs(root, { version, dialect: 'rust' })))
const xattrsOf = (count: number, value: number) =>
  new Map(Array.from({ length: count }, (_, i) => [`user.${i}`, 'v'.repeat(value)]))

function dumpLine(fields: {
  size?: string
  payload?: string
  content?: string
  mode?: string
  name?: string
  xattrs?: string[]
}) {
  const { size = '0', payload = '-', content = '-', mode = '100644', name = 'a', xattrs = [] } = fields
  const line = ['/' + name, size, mode, '1', '0', '0', '0', '0.0', payload, content, '-', ...xattrs].join(' ')
  return readDumpfile(Buffer.from(`/ 0 40755 2 0 0 0 0.0 - - -\n${line}\n`), { algorithm: 'sha256' })
}

function namedRefs(names: Buffer): void {
  const file = encodeSplitstreamHead({
    algorithm: 'sha256',
    contentType: 'ocilayer',
    size: 0,
    streamRefs: [id],
    objectRefs: [],
    namedRefs: rawFrame(names),
    streamLength: 0,
  })
  readSplitstream({ size: file.length, read: (at, length) => file.subarray(at, at + length) }, 'sha256')
}

/** A frame header that wants a window of 2^`log` bytes, and what follows. */
const windowed = (log: number, after = '010000') =>
  Buffer.from(`28b52ffd00${((log - 10) << 3).toString(16)}${after}`, 'hex')

const configOf = (size: number) => {
  const document = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, filler: '' }
  return Buffer.from(JSON.stringify({ ...document, filler: 'x'.repeat(size - JSON.stringify(document).length) }))
}

const limits: readonly Limit[] = [
  {
    row: 'tar: extension headers of one entry',
    code: 'SLUICE_FORMAT',
    most: 1 << 20,
    run: (n) => void splitTar(tarOf(longName('x'.repeat(n)), entry({}))),
  },
  {
    row: 'tar: global pax header',
    code: 'SLUICE_FORMAT',
    most: 1 << 20,
    run: (n) => void splitTar(tarOf(entry({ flag: 'g' }, 'x'.repeat(n)))),
  },
  {
    row: 'tar: device number',
    code: 'SLUICE_FORMAT',
    most: 0xfff,
    run: (n) => void merge(header({ name: 'd', flag: '3', major: `${n.toString(8).padStart(7, '0')}\0` })),
  },
  {
    row: 'layer: names in a path, those of symlinks on the way included',
    code: 'SLUICE_FORMAT',
    most: 2048,
    run: (n) => void merge(longName(`${'d/'.repeat(n)}x`), entry({ flag: '5' })),
  },
  { row: 'layer: symlinks in a path', code: 'SLUICE_FORMAT', most: 40, run: (n) => void merge(...chain(n)) },
  {
    row: 'layers of an image: names, symlink targets and xattrs, those of files that others replace included',
    code: 'SLUICE_FORMAT',
    most: 256 * 1024 * 1024,
    run: (n) => {
      const merger = new LayerMerger({ parity: false })
      const target = 'x'.repeat(n / 4 - 3)
      for (let i = 0; i < 4; i++) {
        const xattrs = new Map([['k', i === 3 ? 'v'.repeat(n % 4) : '']])
        merger.apply({ type: 'leaf', path: '/l', stat: { ...stat, xattrs }, content: { type: 'symlink', target } })
      }
      merger.apply({ type: 'directory', path: '/a/bc', stat })
      merger.apply({ type: 'hardlink', path: '/d', target: '/l' })
    },
  },
  {
    row: 'image: file name',
    code: 'SLUICE_FORMAT',
    most: 255,
    run: (n) => void write(merge(pax(['path', 'n'.repeat(n)]), entry({}))),
  },
  {
    row: 'image: symlink target, V0 and V1, when read',
    code: 'SLUICE_FORMAT',
    most: 4095,
    run: (n) => void reread(merge(pax(['linkpath', 't'.repeat(n)]), entry({ flag: '2' })), 1),
  },
  {
    row: 'image: symlink target, V2, when read',
    code: 'SLUICE_FORMAT',
    most: 1024,
    run: (n) => void reread(merge(pax(['linkpath', 't'.repeat(n)]), entry({ flag: '2' })), 2),
  },
  {
    row: 'image: xattr name',
    code: 'SLUICE_FORMAT',
    most: 255,
    run: (n) => void write(rootWith('a', empty, new Map([['k'.repeat(n), '']]))),
  },
  {
    row: 'image: xattr value',
    code: 'SLUICE_FORMAT',
    most: 65535,
    run: (n) => void write(rootWith('a', empty, new Map([['user.k', 'v'.repeat(n)]]))),
  },
  {
    row: 'image: xattrs of one inode',
    code: 'SLUICE_FORMAT',
    most: 4,
    run: (n) => void write(rootWith('a', empty, xattrsOf(n, 65500))),
  },
  {
    row: 'image: inline file, V0 and V1',
    code: 'SLUICE_FORMAT',
    most: 5000,
    run: (n) => void write(rootWith('a', { type: 'inline', data: new Uint8Array(n) })),
  },
  {
    row: 'image: inline file, V2',
    code: 'SLUICE_FORMAT',
    most: 512,
    run: (n) => void write(rootWith('a', { type: 'inline', data: new Uint8Array(n) }), 2),
  },
  {
    row: 'image: file size',
    code: 'SLUICE_FORMAT',
    most: 1,
    run: (n) => void write(rootWith('a', { type: 'sparse', size: n * 2 ** 53 })),
  },
  {
    row: 'image: nested directories, when a tree is read back',
    code: 'SLUICE_FORMAT',
    most: 2047,
    run: (n) => void loadErofsTree(openErofs(write(nested(n), 2))),
  },
  {
    row: 'dumpfile: inline content',
    code: 'SLUICE_FORMAT',
    most: 5000,
    run: (n) => void dumpLine({ size: `${n}`, content: 'c'.repeat(n) }),
  },
  {
    row: 'dumpfile: symlink target',
    code: 'SLUICE_FORMAT',
    most: 4095,
    run: (n) => void dumpLine({ mode: '120777', payload: 't'.repeat(n) }),
  },
  { row: 'dumpfile: file name', code: 'SLUICE_FORMAT', most: 255, run: (n) => void dumpLine({ name: 'n'.repeat(n) }) },
  {
    row: 'dumpfile: file size',
    code: 'SLUICE_FORMAT',
    most: 0,
    run: (n) => void dumpLine({ size: `${2n ** 53n + BigInt(n)}` }),
  },
  {
    row: 'dumpfile: digits of a number',
    code: 'SLUICE_FORMAT',
    most: 1,
    run: (n) => void dumpLine({ size: n === 1 ? '0'.repeat(1e6) : '9'.repeat(1e6) }),
  },
  {
    row: 'dumpfile: xattr name',
    code: 'SLUICE_FORMAT',
    most: 255,
    run: (n) => void dumpLine({ xattrs: [`${'k'.repeat(n)}=`] }),
  },
  {
    row: 'dumpfile: names and values of the xattrs of a line',
    code: 'SLUICE_FORMAT',
    most: 32767 - 12 - 7 - 1,
    run: (n) => void dumpLine({ xattrs: [`k=${'v'.repeat(n)}`] }),
  },
  {
    row: 'dumpfile: text of the xattrs of a line',
    code: 'SLUICE_FORMAT',
    most: 65535,
    run: (n) => void dumpLine({ xattrs: [`k=${'\\x41'.repeat(16000)}`, `k=${'v'.repeat(n - 64003 - 2)}`] }),
  },
  {
    row: 'splitstream: named references',
    code: 'SLUICE_FORMAT',
    most: 100_000,
    run: (n) => namedRefs(Buffer.from('0:\0'.repeat(n))),
  },
  {
    row: 'splitstream: named references, decompressed',
    code: 'SLUICE_FORMAT',
    most: 16 << 20,
    run: (n) => namedRefs(Buffer.concat([Buffer.from('0:'), Buffer.alloc(n - 3, 'n'), Buffer.alloc(1)])),
  },
  {
    row: 'splitstream: zstd window of the names',
    code: 'SLUICE_COMPRESSION',
    most: 23,
    run: (n) => void decompressSection(windowed(n), 10),
  },
  {
    row: 'zstd: window',
    code: 'SLUICE_COMPRESSION',
    most: 27,
    run: (n) => void parseFrameHeader(windowed(n).subarray(4)),
  },
  {
    row: 'zstd: block',
    code: 'SLUICE_COMPRESSION',
    most: 128 << 10,
    run: (n) =>
      void decompressSection(
        windowed(20, Buffer.from([((n << 3) & 255) | 3, (n >> 5) & 255, n >> 13, 0]).toString('hex')),
        1 << 20,
      ),
  },
  { row: 'manifest, index, config', code: 'SLUICE_FORMAT', most: 4 << 20, run: (n) => void parseConfig(configOf(n)) },
  {
    row: 'digest, of whatever algorithm',
    code: 'SLUICE_FORMAT',
    most: 240,
    run: (n) => void parseDigest(`x:${'a'.repeat(n - 2)}`),
  },
  {
    row: 'document in a descriptor, before it is fetched',
    code: 'SLUICE_FORMAT',
    most: 4 << 20,
    run: (size) => checkDocumentSize({ mediaType: '', digest: parseDigest(`sha256:${id}`), size }, 'here'),
  },
  {
    row: 'image name',
    code: 'SLUICE_USAGE',
    most: 255,
    run: (n) => void parseReference(`docker://h.io/${'p'.repeat(n - 4)}`),
  },
  {
    row: 'tag in a registry',
    code: 'SLUICE_USAGE',
    most: 128,
    run: (n) => void parseReference(`docker://h.io/a:${'t'.repeat(n)}`),
  },
  {
    row: 'tag in the repository, as a file name',
    code: 'SLUICE_USAGE',
    most: 255,
    run: (n) => checkTag('t'.repeat(n)),
  },
  {
    row: 'part of a stream or image name',
    code: 'SLUICE_USAGE',
    most: 255,
    run: (n) => checkName(`refs/${'n'.repeat(n)}`, 'name'),
  },
]

for (const { row, code, most, run } of limits) {
  test(`limit: ${row}`, () => {
    run(most)
    assert.throws(
      () => run(most + 1),
      (error) => {
        assert.ok(error instanceof SluiceError, String(error))
        assert.equal(error.code, code, error.message)
        return true
      },
    )
    const documented = page.split('\n').find((line) => line.startsWith(`| ${row} |`))
    assert.ok(documented?.includes(`\`${code}\``), `docs/security.md has no row "${row}" with ${code}`)
  })
}

test('limit: image', () => {
  // Nothing of it is touched.
  const beyond = Buffer.alloc(2 ** 30 + 4096)
  assert.throws(() => openErofs(beyond), /limit 1073741824/)
})

test('limit: meta.json', (t) => {
  const path = temporaryDirectory(t)
  const metadata = JSON.stringify({ version: 1, algorithm: 'fsverity-sha256-12' })
  writeFileSync(join(path, 'meta.json'), metadata.padEnd(1 << 20))
  assert.equal(loadMetadata(path)?.algorithm, 'sha256')
  writeFileSync(join(path, 'meta.json'), metadata.padEnd((1 << 20) + 1))
  assert.throws(
    () => loadMetadata(path),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_REPOSITORY',
  )
})
