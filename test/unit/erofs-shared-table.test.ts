import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectId } from '../../src/formats/digest.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { newDirectory, newLeaf, noXattrs, type LeafContent } from '../../src/formats/tree/tree.js'

/** An entry as it lies in the image, up to its padding: prefix 4 is `trusted.` (erofs.md §5.1, §5.2). */
function entry(suffix: string, value: Buffer): Buffer {
  const header = Buffer.from([suffix.length, 4, 0, 0])
  header.writeUInt16LE(value.length, 2)
  return Buffer.concat([header, Buffer.from(suffix), value])
}

const metacopy = (id: string): Buffer =>
  entry(
    'overlay.metacopy',
    Buffer.concat([Buffer.from([0, 4 + id.length / 2, 0, id.length === 64 ? 1 : 2]), Buffer.from(id, 'hex')]),
  )
const redirect = (path: string): Buffer => entry('overlay.redirect', Buffer.from(path))
const objectRedirect = (id: string): Buffer => redirect(`/${id.slice(0, 2)}/${id.slice(2)}`)

const [a, b] = ['10'.repeat(32), 'f0'.repeat(32)]
const [c, d] = ['0a'.repeat(64), 'b0'.repeat(64)]
const once = 'cd'.repeat(32)
/** As long as the redirect of a SHA-256 object, and between those of `a` and `b`. */
const path = `55/${'p'.repeat(62)}`

function image(version: 1 | 2): Buffer {
  const stat = { mode: 0o644, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs }
  const root = newDirectory({ ...stat, mode: 0o755 })
  const add = (content: LeafContent) => root.entries.set(`file${root.entries.size}`, newLeaf(stat, content))
  for (const id of [d, b, a, c, once, a, b, c, d]) add({ type: 'external', id: id as ObjectId, size: 5 })
  for (let i = 0; i < 2; i++) add({ type: 'external-no-verity', path, size: 5 })
  return writeErofs(root, { version })
}

const ofA = [metacopy(a), objectRedirect(a)] as const
const ofB = [metacopy(b), objectRedirect(b)] as const
const ofC = [metacopy(c), objectRedirect(c)] as const
const ofD = [metacopy(d), objectRedirect(d)] as const
const ofPath = redirect(`/${path}`)
const orders = {
  // Descending by key, length of the value, value.
  1: [ofD[1], ofC[1], ofB[1], ofPath, ofA[1], ofD[0], ofC[0], ofB[0], ofA[0]],
  // Ascending by key and value, whatever its length.
  2: [ofA[0], ofB[0], ofC[0], ofD[0], ofC[1], ofA[1], ofPath, ofD[1], ofB[1]],
}
for (const version of [1, 2] as const) {
  test(`the shared table of V${version} is in order, whether values come from digests or from paths`, () => {
    const bytes = image(version)
    const places = orders[version].map((pair) => bytes.indexOf(pair))
    assert.ok(!places.includes(-1), `missing: ${places.join()}`)
    assert.deepEqual(
      places,
      places.toSorted((x, y) => x - y),
    )
    for (const pair of orders[version]) assert.equal(bytes.lastIndexOf(pair), bytes.indexOf(pair), 'written twice')
    // What only one file has lies in its inode, before the table.
    assert.ok(bytes.indexOf(metacopy(once)) > 0 && bytes.indexOf(objectRedirect(once)) < places[0])
  })
}
