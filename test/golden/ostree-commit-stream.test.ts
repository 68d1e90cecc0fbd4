/** Commit streams of the reference: read, looked up in, and written again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decompress } from 'fzstd'
import type { ObjectId } from '../../src/formats/digest.js'
import { CommitStream } from '../../src/formats/ostree/commit-stream.js'
import { IMAGE_REF, ostreeContentType } from '../../src/formats/ostree/commit-stream-format.js'
import { readCommit } from '../../src/formats/ostree/commit.js'
import { readDirmeta } from '../../src/formats/ostree/dirmeta.js'
import { readDirtree } from '../../src/formats/ostree/dirtree.js'
import { isSymlink, readSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { ObjectCollection } from '../../src/formats/ostree/object-collection.js'
import { hashMetadata, type OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { readSplitstream } from '../../src/formats/splitstream/read.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

const skip = hasVector('ostree') ? false : 'no ostree vectors'

interface Expected {
  commits: Record<
    string,
    {
      commit: string
      results: Record<string, { n_ostree_objects: number; external_refs_in_order: string[]; image: string }>
    }
  >
}

/** Walks the tree of a commit; gives every id it comes by. */
function walk(stream: CommitStream): Set<OstreeId> {
  const seen = new Set<OstreeId>()
  const metadata = (id: OstreeId): Buffer => {
    seen.add(id)
    const data = stream.data(id)
    assert.ok(data !== undefined, id)
    assert.equal(hashMetadata(data), id)
    return data
  }
  const directory = (tree: OstreeId, meta: OstreeId): void => {
    readDirmeta(metadata(meta))
    const { files, directories } = readDirtree(metadata(tree))
    for (const { id } of files) {
      seen.add(id)
      const found = stream.get(id)
      assert.ok(found !== undefined, id)
      const { header, rest } = readSizedZlibHeader(found.data)
      if (found.external === undefined) {
        assert.equal(fileId(header, rest), id)
        assert.equal(rest.length, isSymlink(header) ? 0 : header.size)
      } else {
        assert.equal(rest.length, 0)
        assert.equal(stream.data(id), undefined, 'an external file is not all data')
      }
    }
    for (const { tree, meta } of directories) directory(tree, meta)
  }
  const { tree, meta } = readCommit(metadata(stream.commit))
  directory(tree, meta)
  return seen
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`the commit stream of alpha2, ${algorithm}`, { skip }, () => {
    const file = readVector('ostree', `commit-stream.${algorithm}.splitstream`)
    const payload = readVector('ostree', `commit-stream.${algorithm}.inline.bin`)
    const { commit, results } = readJsonVector<Expected>('ostree', 'expected.json').commits['alpha2']
    const expected = results[`${algorithm}/v1`]

    const source = { size: file.length, read: (at: number, length: number) => file.subarray(at, at + length) }
    const container = readSplitstream(source, algorithm, ostreeContentType.commit)
    assert.equal(container.namedRefs.get(IMAGE_REF), expected.image)
    assert.equal(container.size, BigInt(payload.length))
    const section = Buffer.from(decompress(file.subarray(container.stream.start)))
    assert.deepEqual(section.subarray(8), payload)
    assert.equal(section.readBigInt64LE(0), -BigInt(payload.length))

    const externals = [...container.objectRefs]
    const stream = new CommitStream(payload, externals.length)
    assert.equal(stream.commit, commit)
    assert.equal(stream.count, expected.n_ostree_objects)
    assert.equal(walk(stream).size, stream.count, 'nothing but what the commit reaches')
    assert.deepEqual(externals, expected.external_refs_in_order)

    // Any order of arrival gives the same bytes.
    const collection = new ObjectCollection()
    for (let index = stream.count - 1; index >= 0; index--) {
      const { data, external } = stream.at(index)
      const id = stream.idAt(index)
      assert.ok(collection.add(id, data, external === undefined ? undefined : externals[external]))
      assert.ok(!collection.add(id, Buffer.from('again'), '00' as ObjectId))
      assert.deepEqual(collection.get(id)?.data, data)
    }
    const written = collection.payload(stream.commit)
    assert.deepEqual(Buffer.concat([...written.pieces()]), payload)
    assert.equal(written.size, payload.length)
    assert.deepEqual(written.externals, externals)
    assert.equal(collection.get('00'.repeat(32) as OstreeId), undefined)
    assert.equal(stream.get('ff'.repeat(32) as OstreeId), undefined)
  })
}
