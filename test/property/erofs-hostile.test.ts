/** Images built to make a reader run for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import { InodeReader } from '../../src/formats/erofs/inode-reader.js'
import { checkErofs, listErofsObjects } from '../../src/formats/erofs/list-objects.js'
import { loadErofsTree } from '../../src/formats/erofs/load.js'
import { openErofs } from '../../src/formats/erofs/open.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { newDirectory, newLeaf, noXattrs, type Directory } from '../../src/formats/tree/tree.js'

const stat = { mode: 0o755, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs }
/** Milliseconds: far from both what it takes on a busy machine, and from for ever. */
const SOON = 30_000

function refuses(run: () => void, message: RegExp): void {
  const started = performance.now()
  assert.throws(run, (error) => error instanceof SluiceError && message.test(error.message))
  assert.ok(performance.now() - started < SOON)
}

/** Byte offset of the inode that `path` leads to. */
function inodeAt(image: Buffer, ...path: string[]): number {
  const reader = new InodeReader(openErofs(image))
  let nid = openErofs(image).rootNid
  for (const name of path) nid = reader.entries(reader.inode(nid)).find((entry) => entry.name === name)!.nid
  return nid * 32
}

test('a directory that stands twice in each of 60 levels is not walked 2^60 times', () => {
  const root = newDirectory(stat)
  let directory = root
  for (let level = 0; level < 60; level++) {
    const child = newDirectory(stat)
    directory.entries.set('a', child)
    directory.entries.set('b', newDirectory(stat))
    directory = child
  }
  const image = writeErofs(root, { version: 2 })
  for (let path: string[] = []; path.length < 60; path = [...path, 'a']) {
    const [a, b] = [inodeAt(image, ...path, 'a') / 32, inodeAt(image, ...path, 'b') / 32]
    const entry = Buffer.alloc(8)
    entry.writeUInt32LE(b)
    const inParent = image.indexOf(entry, inodeAt(image, ...path))
    assert.equal(image[inParent + 10], 2)
    image.writeUInt32LE(a, inParent)
  }
  refuses(() => loadErofsTree(openErofs(image)), /two places/)
  const started = performance.now()
  checkErofs(openErofs(image))
  assert.ok(performance.now() - started < SOON)
})

function wide(count: number, entries: number): Directory {
  const root = newDirectory(stat)
  const big = newDirectory(stat)
  root.entries.set('big', big)
  const leaf = newLeaf(stat, { type: 'fifo' })
  for (let i = 0; i < entries; i++) big.entries.set(`entry-${i}`, leaf)
  for (let i = 0; i < count; i++) root.entries.set(`d${i}`, newDirectory(stat))
  return root
}

test('ten thousand directories that claim the blocks of a large one are refused', () => {
  const image = writeErofs(wide(10_000, 20_000), { version: 2 })
  const big = inodeAt(image, 'big')
  const blocks = Math.floor(image.readUInt32LE(big + 8) / 4096)
  assert.ok(blocks > 100)
  let patched = 0
  for (let at = 1152; at + 64 <= image.length; at += 32) {
    // The empty directories: extended, inline, "." and ".." only.
    if (image.readUInt16LE(at) !== 5 || image.readUInt32LE(at + 8) !== 27) continue
    image.writeUInt16LE(1, at)
    image.writeUInt32LE(blocks * 4096, at + 8)
    image.copy(image, at + 16, big + 16, big + 20)
    patched++
  }
  assert.equal(patched, 10_000)
  refuses(() => loadErofsTree(openErofs(image)), /shares its data|leads elsewhere/)
  refuses(() => checkErofs(openErofs(image)), /shares its data/)
})

test('xattr areas that overlap all others are refused', () => {
  const root = newDirectory(stat)
  for (let i = 0; i < 20_000; i++) {
    const xattrs = new Map([[`user.${i}`, 'v'.repeat(20)]])
    root.entries.set(`f${i}`, newLeaf({ ...stat, xattrs }, { type: 'fifo' }))
  }
  const image = writeErofs(root, { version: 2 })
  for (let at = 1152; at + 64 < image.length; at += 32) {
    // A fifo with one local xattr: its area is made to reach over thousands of the following inodes.
    if (image.readUInt16LE(at + 4) >> 12 !== 1 || image.readUInt16LE(at + 2) < 2) continue
    image.writeUInt16LE(0xffff, at + 2)
    for (let entry = at + 76; entry < at + 128; entry += 4) image.writeUInt32LE(0, entry)
  }
  refuses(() => listErofsObjects(openErofs(image), 'sha256'), /erofs/)
})
