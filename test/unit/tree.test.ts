import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeDumpfile } from '../../src/formats/dumpfile/write.js'
import type { TarEntry } from '../../src/formats/tar/entries.js'
import { LayerMerger } from '../../src/formats/tree/merge.js'
import { finishTree, type XattrMode } from '../../src/formats/tree/transform.js'
import { noXattrs, type Directory, type LeafContent, type Stat } from '../../src/formats/tree/tree.js'

function stat(fields: Partial<Stat> = {}): Stat {
  return { mode: 0o644, uid: 0, gid: 0, mtime: 7n, mtimeNsec: 0, xattrs: noXattrs, ...fields }
}

const dir = (path: string, fields: Partial<Stat> = {}): TarEntry => ({
  type: 'directory',
  path,
  stat: stat({ mode: 0o755, ...fields }),
})
const leaf = (path: string, content: LeafContent, fields: Partial<Stat> = {}): TarEntry => ({
  type: 'leaf',
  path,
  stat: stat(fields),
  content,
})
const file = (path: string, text = '', fields: Partial<Stat> = {}): TarEntry =>
  leaf(path, { type: 'inline', data: Buffer.from(text) }, fields)
const symlink = (path: string, target: string): TarEntry => leaf(path, { type: 'symlink', target })
const hardlink = (path: string, target: string): TarEntry => ({ type: 'hardlink', path, target })

function merged(parity: boolean, entries: readonly TarEntry[]): Directory {
  const merger = new LayerMerger({ parity })
  for (const entry of entries) merger.apply(entry)
  return merger.root
}

/** `path` of directories, `path=content` of files, `path->target` of symlinks, `path@first` of hard links. */
function listing(root: Directory): string[] {
  return [...writeDumpfile(root)].slice(1).map((line) => {
    const [path = '', , mode = '', , , , , , payload = '', content = ''] = line.split(' ')
    if (mode.startsWith('@')) return `${path}@${payload}`
    if (mode.startsWith('4')) return path
    return mode.startsWith('12') ? `${path}->${payload}` : `${path}=${content === '-' ? '' : content}`
  })
}

type Expected = readonly string[] | RegExp

interface MergeCase {
  readonly entries: readonly TarEntry[]
  readonly parity: Expected
  /** Without parity; as with it if missing. */
  readonly lenient?: Expected
}

const usr = dir('/usr')

const cases: Record<string, MergeCase> = {
  'the last of several entries wins': {
    entries: [usr, file('/usr/a', '1'), file('/usr/a', '2')],
    parity: ['/usr', '/usr/a=2'],
  },
  'a directory over a directory keeps the content': {
    entries: [usr, file('/usr/a'), dir('/usr', { uid: 5 })],
    parity: ['/usr', '/usr/a='],
  },
  'a file over a directory drops the content': {
    entries: [usr, dir('/usr/a'), file('/usr/a/b'), file('/usr/a')],
    parity: ['/usr', '/usr/a='],
  },
  'a directory over a symlink starts empty': {
    entries: [usr, file('/usr/b'), symlink('/l', 'usr'), dir('/l'), file('/l/x')],
    parity: ['/l', '/l/x=', '/usr', '/usr/b='],
  },
  'slashes and dots in a path vanish': {
    entries: [usr, file('/./usr//./a'), dir('//usr/d')],
    parity: ['/usr', '/usr/a=', '/usr/d'],
  },
  'dots inside a path': { entries: [usr, file('/usr/../usr/a')], parity: /invalid file name/ },
  'a file as the root': { entries: [usr, file('/usr/..')], parity: /root must be a directory/ },
  'a whiteout removes what is below too': {
    entries: [usr, dir('/usr/a'), file('/usr/a/b'), file('/usr/.wh.a')],
    parity: ['/usr'],
  },
  'a whiteout acts only on what came before': {
    entries: [usr, file('/usr/.wh.a'), file('/usr/a')],
    parity: ['/usr', '/usr/a='],
  },
  'a whiteout may be of any type': {
    entries: [usr, file('/usr/a'), dir('/usr/.wh.a')],
    parity: ['/usr'],
  },
  'an opaque marker empties the directory, of the same layer too': {
    entries: [usr, file('/usr/a'), dir('/usr/b'), file('/usr/.wh..wh..opq'), file('/usr/c')],
    parity: ['/usr', '/usr/c='],
  },
  'an opaque marker in the root': { entries: [file('/a'), file('/.wh..wh..opq'), usr], parity: ['/usr'] },
  'other names that begin like whiteouts do nothing': {
    entries: [usr, file('/usr/a'), ...['.wh.', '.wh..', '.wh...', '.wh..wh.plnk'].map((name) => file(`/usr/${name}`))],
    parity: ['/usr', '/usr/a='],
  },
  'a hard link shares the inode': {
    entries: [usr, file('/usr/b', '1'), hardlink('/usr/a', '/usr/b'), file('/usr/b', '2')],
    parity: ['/usr', '/usr/a=1', '/usr/b=2'],
  },
  'a hard link to a symlink': {
    entries: [usr, symlink('/usr/a', 'x'), hardlink('/usr/b', '/./usr/a')],
    parity: ['/usr', '/usr/a->x', '/usr/b@/usr/a'],
  },
  'a hard link to itself': {
    entries: [usr, file('/usr/a', '1'), hardlink('/usr/a', '/usr/a')],
    parity: ['/usr', '/usr/a=1'],
  },
  'a hard link to nothing': { entries: [usr, hardlink('/usr/a', '/usr/b')], parity: /"b" does not exist/ },
  'a hard link to a directory': { entries: [usr, hardlink('/usr/a', '/usr')], parity: /which is a directory/ },
  'a hard link to the root': { entries: [usr, hardlink('/usr/a', '')], parity: /invalid hard link target/ },
  'a hard link as a whiteout must resolve': {
    entries: [usr, file('/usr/a'), hardlink('/usr/.wh.a', '/usr/b')],
    parity: /"b" does not exist/,
  },
  'a hard link through a file': {
    entries: [usr, file('/usr/b'), hardlink('/usr/a', '/usr/b/c')],
    parity: /not a subdirectory/,
    lenient: /"c" does not exist/,
  },
  'a device number above 32 bits': {
    entries: [usr, leaf('/usr/a', { type: 'chr', rdev: 2 ** 32 })],
    parity: /does not fit 32 bits/,
  },
  'a missing parent is made': {
    entries: [usr, file('/opt/x/a')],
    parity: /"opt" does not exist/,
    lenient: ['/opt', '/opt/x', '/opt/x/a=', '/usr'],
  },
  'a parent that is a file is replaced by a directory': {
    entries: [usr, file('/usr/a'), file('/usr/a/b')],
    parity: /not a subdirectory/,
    lenient: ['/usr', '/usr/a', '/usr/a/b='],
  },
  'a symlinked parent is followed': {
    entries: [usr, dir('/usr/bin'), symlink('/bin', 'usr/bin'), file('/bin/x')],
    parity: /"bin" is not a subdirectory/,
    lenient: ['/bin->usr/bin', '/usr', '/usr/bin', '/usr/bin/x='],
  },
  'an absolute symlink stays in the image, and so do its dots': {
    entries: [usr, dir('/var'), symlink('/var/run', '/../../run'), dir('/run'), file('/var/run/x')],
    parity: /not a subdirectory/,
    lenient: ['/run', '/run/x=', '/usr', '/var', '/var/run->/../../run'],
  },
  'a symlink to a symlink to nothing gets a directory': {
    entries: [usr, symlink('/a', 'b'), symlink('/b', './usr/../c'), file('/a/x')],
    parity: /not a subdirectory/,
    lenient: ['/a->b', '/b->./usr/../c', '/c', '/c/x=', '/usr'],
  },
  'an empty symlink leads nowhere': {
    entries: [usr, symlink('/a', ''), file('/a/x')],
    parity: /not a subdirectory/,
    lenient: ['/a', '/a/x=', '/usr'],
  },
  'symlinks in a circle': {
    entries: [usr, symlink('/a', 'b'), symlink('/b', 'a'), file('/a/x')],
    parity: /not a subdirectory/,
    lenient: /more than 40 symlinks/,
  },
  'a hard link through a symlink': {
    entries: [usr, file('/usr/a', '1'), symlink('/l', 'usr'), hardlink('/usr/b', '/l/a')],
    parity: /not a subdirectory/,
    lenient: ['/l->usr', '/usr', '/usr/a=1', '/usr/b@/usr/a'],
  },
  'a whiteout through a symlink': {
    entries: [usr, file('/usr/a'), symlink('/l', 'usr'), file('/l/.wh.a')],
    parity: /not a subdirectory/,
    lenient: ['/l->usr', '/usr'],
  },
  'a whiteout in a directory that is not there': {
    entries: [usr, file('/opt/.wh.a'), file('/usr/x'), file('/usr/x/.wh..wh..opq')],
    parity: /"opt" does not exist/,
    lenient: ['/usr', '/usr/x='],
  },
  'a NUL in a name': {
    entries: [usr, file('/usr/a\0b')],
    parity: ['/usr', '/usr/a\\x00b='],
    lenient: /NUL in the name/,
  },
  'a path of more names than PATH_MAX has room for': {
    entries: [usr, file('/a'.repeat(2050))],
    parity: /more than 2048 names/,
  },
  'a symlink of more names than PATH_MAX has room for': {
    entries: [usr, symlink('/l', './../'.repeat(200_000)), file('/l/x')],
    parity: /not a subdirectory/,
    lenient: /more than 2048 names/,
  },
}

for (const [title, { entries, parity, lenient = parity }] of Object.entries(cases)) {
  for (const [mode, expected] of [
    [true, parity],
    [false, lenient],
  ] as const) {
    test(`${title}${mode ? ', with parity' : ''}`, () => {
      if (expected instanceof RegExp) {
        assert.throws(() => merged(mode, entries), { code: 'SLUICE_FORMAT', message: expected })
      } else assert.deepEqual(listing(merged(mode, entries)), expected)
    })
  }
}

test('40 symlinks are followed', () => {
  const chain = Array.from({ length: 40 }, (_, i) => symlink(`/l${i}`, i === 0 ? 'usr' : `l${i - 1}`))
  assert.ok(listing(merged(false, [usr, ...chain, file('/l39/x')])).includes('/usr/x='))
  assert.throws(() => merged(false, [usr, ...chain, symlink('/l40', 'l39'), file('/l40/x')]), /more than 40 symlinks/)
})

test('a made parent is plain until an entry describes it', () => {
  const made = [...writeDumpfile(merged(false, [file('/opt/a')]))]
  assert.equal(made[1], '/opt 0 40755 2 0 0 0 0.0 - - -')
  const described = [...writeDumpfile(merged(false, [file('/opt/a'), dir('/opt', { mode: 0o700, uid: 3 })]))]
  assert.equal(described[1], '/opt 0 40700 2 3 0 0 7.0 - - -')
  assert.match(described[2] ?? '', /^\/opt\/a /)
})

function finished(parity: boolean, xattrs: XattrMode, entries: readonly TarEntry[]): string[] {
  const root = merged(parity, entries)
  finishTree(root, { xattrs, parity })
  return [...writeDumpfile(root)]
}

const both = [true, false] as const

test('the root takes over the metadata of /usr, whatever its own entry says', () => {
  const entries = [
    dir('', { mode: 0o700, uid: 9 }),
    dir('/usr', {
      mode: 0o751,
      uid: 1,
      gid: 2,
      mtime: 3n,
      mtimeNsec: 4,
      xattrs: new Map([['security.capability', 'c']]),
    }),
  ]
  for (const parity of both) {
    assert.deepEqual(finished(parity, 'allowlist-only', entries), [
      '/ 0 40751 3 1 2 0 3.4 - - - security.capability=c',
      '/usr 0 40751 2 1 2 0 3.4 - - - security.capability=c',
    ])
  }
})

test('/run loses its content and gets the time of /usr', () => {
  const entries = [
    dir('/usr', { mtime: 10n, mtimeNsec: 5 }),
    dir('/run', { mode: 0o711, uid: 5 }),
    file('/run/x', '1'),
    hardlink('/usr/y', '/run/x'),
  ]
  for (const parity of both) {
    assert.deepEqual(finished(parity, 'allowlist-only', entries).slice(1), [
      '/run 0 40711 2 5 0 0 10.5 - - -',
      '/usr 0 40755 2 0 0 0 10.5 - - -',
      '/usr/y 1 100644 1 0 0 0 7.0 - 1 -',
    ])
  }
})

test('only listed xattrs are kept, on every inode', () => {
  const xattrs = new Map([
    ['user.a', '1'],
    ['security.selinux', 's'],
    ['security.capability', 'c'],
    ['trusted.x', 't'],
    ['username', 'n'],
  ])
  const entries = [dir('/usr', { xattrs }), file('/usr/a', '', { xattrs }), hardlink('/usr/b', '/usr/a')]
  for (const parity of both) {
    for (const [mode, kept] of [
      ['allowlist-only', ' security.capability=c'],
      ['keep-user-xattrs', ' security.capability=c user.a=1'],
    ] as const) {
      const lines = finished(parity, mode, entries)
      for (const at of [0, 1, 2]) assert.ok(lines[at]?.endsWith(` -${kept}`), lines[at])
    }
  }
})

test('without /usr the root keeps its own metadata, and parity refuses', () => {
  const own = dir('', { mode: 0o700, uid: 9 })
  for (const [entries, root] of [
    [[], '/ 0 40755 2 0 0 0 0.0 - - -'],
    [[own], '/ 0 40700 2 9 0 0 7.0 - - -'],
    [[own, symlink('/usr', 'x')], '/ 0 40700 2 9 0 0 7.0 - - -'],
    [[own, file('/usr')], '/ 0 40700 2 9 0 0 7.0 - - -'],
  ] as const) {
    assert.equal(finished(false, 'allowlist-only', entries)[0], root)
    assert.throws(() => finished(true, 'allowlist-only', entries), { code: 'SLUICE_FORMAT' })
  }
})

test('/run that is no directory stays, and parity refuses', () => {
  for (const run of [symlink('/run', '/var/run'), file('/run', 'x')]) {
    assert.match(finished(false, 'allowlist-only', [usr, run])[1] ?? '', /^\/run .* 7\.0 (\/var\/run -|- x) -$/)
    assert.throws(() => finished(true, 'allowlist-only', [usr, run]), /"run" is not a subdirectory/)
  }
})
