/** What a vector does not show: an empty target, and names of stubs that are no stubs (erofs.md §3.5, §10.5). Both as cfsctl. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { newDirectory, newLeaf, type Directory, type LeafContent, type Stat } from '../../src/formats/tree/tree.js'

const stat = (xattrs: [string, string][] = []): Stat => {
  return { mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: new Map(xattrs) }
}

function rootOf(entries: Readonly<Record<string, [LeafContent, Stat?]>>): Directory {
  const root = newDirectory(stat())
  for (const [name, [content, of]] of Object.entries(entries)) root.entries.set(name, newLeaf(of ?? stat(), content))
  return root
}

test('an empty target takes no block, however long the xattrs are', () => {
  for (const length of [4000, 4056, 4200, 8200]) {
    const of = stat([['security.capability', 'x'.repeat(length)]])
    for (const version of [0, 1, 2] as const) {
      const sizes = [{ type: 'symlink', target: '' } as const, { type: 'fifo' } as const].map(
        (content) => writeErofs(rootOf({ a: [content, of] }), { version }).length,
      )
      assert.equal(sizes[0], sizes[1], `V${version}, ${length} bytes`)
    }
  }
})

test('the zero byte that ends the key of an xattr does not count against its limit, but takes its place in the image', () => {
  const write = (key: string) => writeErofs(rootOf({ a: [{ type: 'fifo' }, stat([[key, 'v']])] }), { version: 1 })
  for (const key of [`user.${'x'.repeat(250)}`, `user.${'x'.repeat(250)}\0`, 'x'.repeat(255)]) {
    const [read] = loadErofsTree(openErofs(write(key))).entries.values()
    assert.deepEqual([...read.stat.xattrs.keys()], [key])
  }
  for (const key of [
    `user.${'x'.repeat(251)}`,
    '\0',
    'user.x\0\0',
    `${'x'.repeat(255)}\0`,
    `trusted.overlay.${'x'.repeat(239)}\0`,
  ]) {
    assert.throws(() => write(key), { code: 'SLUICE_FORMAT', message: /xattr/ })
  }
})

test('whiteouts with names of stubs are left out when an image is read, and nothing else', () => {
  const whiteout: LeafContent = { type: 'chr', rdev: 0 }
  const marked = stat([['trusted.overlay.whiteout', '']])
  const root = rootOf({
    '00': [whiteout],
    FF: [whiteout],
    zz: [whiteout],
    ab: [{ type: 'fifo' }, marked],
    ac: [{ type: 'symlink', target: 'x' }, marked],
    ad: [{ type: 'inline', data: Buffer.alloc(0) }, marked],
    ae: [{ type: 'chr', rdev: 1 }],
  })
  for (const version of [0, 1, 2] as const) {
    const tree = loadErofsTree(openErofs(writeErofs(root, { version })))
    assert.deepEqual([...tree.entries.keys()].sort(), ['ab', 'ac', 'ae', 'zz'], `V${version}`)
  }
})

test('a whiteout just like a stub is one in images of a repository only (erofs.md §5.7)', () => {
  const whiteout: LeafContent = { type: 'chr', rdev: 0 }
  const stub = { ...stat(), mode: 0o644 }
  for (const version of [0, 1] as const) {
    const write = (dialect: 'c' | 'rust', ...entries: [string, Stat][]) =>
      writeErofs(rootOf(Object.fromEntries(entries.map(([name, of]) => [name, [whiteout, of]]))), { version, dialect })
    const none = write('rust')
    assert.ok(write('rust', ['3a', stub]).equals(none))
    assert.ok(!write('c', ['3a', stub]).equals(none))
    for (const [name, of] of [
      ['3A', stub],
      ['zz', stub],
      ['3a', { ...stub, mode: 0o600 }],
      ['3a', { ...stub, uid: 1 }],
      ['3a', { ...stub, gid: 1 }],
      ['3a', { ...stub, mtime: 1n }],
      ['3a', { ...stub, mtimeNsec: 1 }],
      ['3a', { ...stub, xattrs: new Map([['user.x', '']]) }],
    ] as const) {
      assert.ok(write('rust', [name, of]).equals(write('c', [name, of])), name)
      assert.ok(!write('rust', [name, of]).equals(none), name)
    }
  }
})

test('of overlay xattrs that an image has twice, the first one that says something counts', () => {
  const digest = (digit: string): string =>
    `\0\x24\0\x01${String.fromCharCode(Number.parseInt(`${digit}${digit}`, 16)).repeat(32)}`
  const path = (digit: string): string => `/${digit.repeat(2)}/${digit.repeat(62)}`
  const object = (digit: string): string => path(digit).slice(1)
  /** The backing path of a file with these xattrs: the names are put into the image afterwards, as no writer gives one twice. */
  const read = (...xattrs: ['metacopy' | 'redirect', string][]): string => {
    const of = stat(xattrs.map(([name, value], index) => [`trusted.${index}verlay.${name}`, value]))
    const image = writeErofs(rootOf({ a: [{ type: 'inline', data: Buffer.from('xy') }, of] }), { version: 2 })
    for (const [index, [name]] of xattrs.entries()) {
      image.write(`overlay.${name}`, image.indexOf(`${index}verlay.${name}`), 'latin1')
    }
    const [leaf] = loadErofsTree(openErofs(image), 'sha256').entries.values()
    assert.equal(leaf.kind, 'leaf')
    const { content } = leaf
    if (content.type === 'external') return `digest ${content.id.slice(0, 2)}`
    return content.type === 'external-no-verity' ? content.path : content.type
  }
  assert.equal(read(['metacopy', ''], ['metacopy', digest('a')]), 'digest aa')
  assert.equal(read(['metacopy', digest('a')], ['metacopy', digest('b')], ['metacopy', 'zz']), 'digest aa')
  assert.throws(() => read(['metacopy', ''], ['metacopy', 'zz']), { code: 'SLUICE_FORMAT', message: /metacopy/ })
  assert.equal(read(['redirect', '/elsewhere'], ['redirect', path('a')], ['redirect', path('b')]), object('a'))
  assert.equal(read(['redirect', path('a')], ['redirect', '/elsewhere']), object('a'))
  assert.equal(read(['metacopy', ''], ['redirect', '/elsewhere']), 'inline')
})

test('zeros that fill a group of names are no part of the last one, a zero inside makes it impossible', () => {
  const empty: LeafContent = { type: 'inline', data: Buffer.alloc(0) }
  const names = (count: number, last: string): string[] => {
    const fill = Array.from({ length: count }, (_, index) => `n${String(index).padStart(4, '0')}`)
    const image = writeErofs(rootOf(Object.fromEntries([...fill, 'zzzzzz'].map((name) => [name, [empty]]))), {
      version: 2,
    })
    image.write(last, image.indexOf('zzzzzz'), 'latin1')
    return [...loadErofsTree(openErofs(image)).entries.keys()].filter((name) => !fill.includes(name))
  }
  // The first fit behind their inode, the others take a block.
  for (const count of [3, 200]) {
    assert.deepEqual(names(count, 'zzz\0\0\0'), ['zzz'])
    assert.throws(() => names(count, 'zz\0zz\0'), { code: 'SLUICE_FORMAT', message: /not possible/ })
    assert.throws(() => names(count, '\0\0\0\0\0\0'), { code: 'SLUICE_FORMAT', message: /not possible/ })
  }
})

test('a file of one byte more than is possible is refused', () => {
  const load = (size: bigint) => {
    const image = writeErofs(rootOf({ a: [{ type: 'sparse', size: 4321 }] }), { version: 2 })
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(4321n)
    image.writeBigUInt64LE(size, image.lastIndexOf(field))
    const [leaf] = loadErofsTree(openErofs(image)).entries.values()
    return leaf.kind === 'leaf' && leaf.content.type === 'sparse' ? BigInt(leaf.content.size) : undefined
  }
  assert.equal(load(2n ** 53n - 1n), 2n ** 53n - 1n)
  assert.equal(load(2n ** 53n), 2n ** 53n)
  for (const size of [2n ** 53n + 1n, 2n ** 53n + 2n, 2n ** 64n - 1n]) {
    assert.throws(() => load(size), { code: 'SLUICE_FORMAT', message: /larger than/ })
  }
})
