/** The file tree of a commit whose objects are hostile. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { SluiceError } from '../../src/errors.js'
import { writeCommit } from '../../src/formats/ostree/commit.js'
import { writeDirmeta } from '../../src/formats/ostree/dirmeta.js'
import { writeDirtree, type Dirtree } from '../../src/formats/ostree/dirtree.js'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { hashMetadata, type OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { commitTree } from '../../src/stages/ostree/commit-tree.js'

/** A commit of `depth` directories inside one another, each of which has the next one under all of `names`. */
function nested(depth: number, names: readonly string[]): { objects: ObjectCollection; commit: OstreeId } {
  const objects = new ObjectCollection()
  const add = (bytes: Buffer): OstreeId => {
    const id = hashMetadata(bytes)
    objects.add(id, bytes)
    return id
  }
  const meta = add(writeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] }))
  let tree = add(writeDirtree({ files: [], directories: [] }))
  for (let level = 0; level < depth; level++) {
    const directories: Dirtree['directories'] = names.map((name) => ({ name, tree, meta }))
    tree = add(writeDirtree({ files: [], directories }))
  }
  const head = { metadata: [], related: [], subject: 's', body: '', timestamp: 0n }
  return { objects, commit: add(writeCommit({ ...head, tree, meta })) }
}

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SluiceError && error.code === 'SLUICE_FORMAT' && pattern.test(error.message)

test('a few dirtrees that state more names than fit into memory are refused', () => {
  const { objects, commit } = nested(24, ['a', 'b'])
  assert.throws(() => commitTree(objects, commit, { parity: false }), refused(/more than 1000000 names/))
})

test('directories nested deeper than any path are refused, others are not', () => {
  const deep = nested(5000, ['a'])
  assert.throws(() => commitTree(deep.objects, deep.commit, { parity: false }), refused(/more than 2047 directories/))
  const shallow = nested(2047, ['a'])
  assert.equal(commitTree(shallow.objects, shallow.commit, { parity: false }).entries.size, 1)
})
