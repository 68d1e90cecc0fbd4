/** ostree's objects: the check values of the specification, and every object of the vector repositories. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { variant, writeValue } from '../../src/formats/gvariant/write.js'
import { dictionaryType, lookup, readDictionary } from '../../src/formats/gvariant/dictionary.js'
import { readCommit, writeCommit } from '../../src/formats/ostree/commit.js'
import { listedDeltas, readDeltaIndex } from '../../src/formats/ostree/delta-listing.js'
import { deltaIndexPath, superblockPath } from '../../src/formats/ostree/delta-path.js'
import { readDirmeta, writeDirmeta } from '../../src/formats/ostree/dirmeta.js'
import { readDirtree, writeDirtree } from '../../src/formats/ostree/dirtree.js'
import { writeSizedRegularHeader, writeSizedZlibHeader } from '../../src/formats/ostree/file-header.js'
import { fileId } from '../../src/formats/ostree/file-id.js'
import { hashMetadata, parseOstreeId, type OstreeId } from '../../src/formats/ostree/ostree-id.js'
import { readRepositoryConfig } from '../../src/formats/ostree/repository-config.js'
import { signaturesOf } from '../../src/formats/ostree/signatures.js'
import { findInSummary, readSummary } from '../../src/formats/ostree/summary.js'
import { readSummaryIndex } from '../../src/formats/ostree/summary-index.js'
import { writeSummary, writeSummaryIndex } from '../helpers/ostree-summaries.js'
import { readXattrs, writeXattrs } from '../../src/formats/ostree/xattrs.js'
import { openFilez, storedObjects } from '../helpers/ostree-objects.js'
import { unpackOstree } from '../helpers/ostree-vectors.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

const skip = hasVector('ostree') ? false : 'no ostree vectors'
const id = (byte: string) => byte.repeat(32) as OstreeId

test('metadata objects have the bytes and ids of the specification (ostree.md §1.3)', () => {
  const dirmeta = writeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] })
  assert.equal(dirmeta.toString('hex'), '0000000000000000000041ed')
  assert.equal(hashMetadata(dirmeta), '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488')

  const empty = writeDirtree({ files: [], directories: [] })
  assert.equal(hashMetadata(empty), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')

  const dirtree = writeDirtree({
    files: [
      { name: 'a', id: id('00') },
      { name: 'bb', id: id('01') },
    ],
    directories: [],
  })
  assert.equal(dirtree.toString('hex'), `6100${id('00')}02626200${id('01')}03234749`)
  assert.equal(hashMetadata(dirtree), '08b884cddfcac76a3cc46542191308b467bd8d0a241d0b426b6d7bdb1d8e2d24')

  const commit = writeCommit({
    metadata: [['version', variant('s', '1')]],
    related: [],
    subject: 'S',
    body: 'B',
    timestamp: 5n,
    tree: id('00'),
    meta: id('01'),
  })
  assert.equal(commit.length, 102)
  assert.equal(hashMetadata(commit), '23b482509a371e6148105f67126007751e7d9e4a0a710ee9cdf68b22614acd88')
})

test('files have the headers and ids of the specification (§1.4)', () => {
  const empty = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [], size: 0 }
  assert.equal(writeSizedRegularHeader(empty).toString('hex'), '00000012000000000000000000000000000081a4000000000011')
  assert.equal(
    writeSizedZlibHeader(empty).toString('hex'),
    '0000001a0000000000000000000000000000000000000000000081a4000000000019',
  )
  assert.equal(fileId(empty, Buffer.alloc(0)), 'cc700d46f407c6c5ab2d5dde474366a928b7398277e61162e7f8ec06f469f07e')

  const link = { ...empty, mode: 0o120777, target: 'target' }
  assert.equal(fileId(link, Buffer.alloc(0)), 'a6b40a5400ed082fbe067d2c8397aab54046a089768651c392a36db46d24c1cd')

  const name = Buffer.from('user.a\0')
  const hi = { ...empty, uid: 1000, gid: 1001, mode: 0o100755, xattrs: [[name, Buffer.from('1')]] as const }
  assert.ok(writeSizedRegularHeader(hi).toString('hex').endsWith('00757365722e610031070911'))
  assert.equal(fileId(hi, Buffer.from('hi\n')), '4fd7db28ce4ed65bf400640f0625dc89927bce21d374ad0a4362cc3b651a8a53')
})

/** Decodes and encodes an object again; gives the bytes, and the id that they have. */
function remake(suffix: string, bytes: Buffer): { again: Uint8Array; id: string } {
  switch (suffix) {
    case 'commit':
      return { again: writeCommit(readCommit(bytes)), id: hashMetadata(bytes) }
    case 'dirtree':
      return { again: writeDirtree(readDirtree(bytes)), id: hashMetadata(bytes) }
    case 'dirmeta':
      return { again: writeDirmeta(readDirmeta(bytes)), id: hashMetadata(bytes) }
    case 'file-xattrs':
      return { again: writeXattrs(readXattrs(bytes)), id: hashMetadata(bytes) }
    case 'filez': {
      const { header, sizedHeader, content } = openFilez(bytes)
      const again = Buffer.concat([writeSizedZlibHeader(header), bytes.subarray(sizedHeader.length)])
      return { again, id: fileId(header, content) }
    }
    default:
      return assert.fail(`an object with suffix ${suffix}`)
  }
}

for (const [repository, expected] of [
  ['archive', { commit: 5, dirtree: 26, dirmeta: 4, filez: 61 }],
  ['buo-archive', {}],
  ['bare-split-xattrs', {}],
] as const) {
  test(`every object of ${repository} decodes, is written again the same, and has its id`, { skip }, (t) => {
    const counts: Record<string, number> = {}
    for (const object of storedObjects(unpackOstree(t, repository))) {
      if (object.suffix === 'commitmeta') {
        assert.deepEqual(writeValue(dictionaryType, readDictionary(object.bytes)), object.bytes)
        continue
      }
      if (object.suffix === 'file' || object.suffix === 'file-xattrs-link') continue
      const { again, id } = remake(object.suffix, object.bytes)
      assert.deepEqual(Buffer.from(again), object.bytes, `${object.id}.${object.suffix}`)
      assert.equal(id, object.id)
      counts[object.suffix] = (counts[object.suffix] ?? 0) + 1
    }
    t.diagnostic(JSON.stringify(counts))
    for (const [suffix, count] of Object.entries(expected)) assert.equal(counts[suffix], count, suffix)
    assert.ok(counts['commit'] > 0 && counts['dirtree'] > 0)
  })
}

test('the summary, its index and the delta indexes', { skip }, (t) => {
  const archive = unpackOstree(t, 'archive')
  const bytes = readFileSync(join(archive, 'summary'))
  const summary = readSummary(bytes)
  assert.deepEqual(writeSummary(summary), bytes)
  assert.deepEqual(
    summary.refs.map(({ name }) => name),
    ['alpha/main', 'delta', 'empty'],
  )
  for (const { name, commit, size } of summary.refs) {
    assert.equal(readFileSync(join(archive, 'refs/heads', name), 'utf8').trim(), commit)
    assert.equal(findInSummary(summary, name), commit)
    const object = readFileSync(join(archive, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commit`))
    assert.equal(size, BigInt(object.length))
  }
  const deltas = listedDeltas(summary.metadata)
  assert.equal(deltas.length, 2)
  for (const delta of deltas) {
    assert.equal(hashMetadata(readFileSync(join(archive, superblockPath(delta)))), delta.superblock)
    const index = readDeltaIndex(readFileSync(join(archive, deltaIndexPath(delta.to))))
    assert.deepEqual(index, [delta])
  }
  assert.equal(signaturesOf(readDictionary(readFileSync(join(archive, 'summary.sig'))), 'gpg').length, 1)

  const indexBytes = readVector('ostree', 'summary.idx')
  const index = readSummaryIndex(indexBytes)
  assert.deepEqual(writeSummaryIndex(index), indexBytes)
  for (const { digest } of index.subsets) {
    const sub = readVector('ostree', `${digest}.gz`)
    assert.equal(hashMetadata(sub), digest)
    assert.deepEqual(writeSummary(readSummary(sub)), sub)
  }
})

test('repositories say their mode', { skip }, (t) => {
  for (const mode of ['archive', 'bare-user-only', 'bare-split-xattrs']) {
    const config = readFileSync(join(unpackOstree(t, mode), 'config'), 'utf8')
    assert.equal(readRepositoryConfig(config, 'config').mode, mode)
  }
})

interface CorruptCase {
  readonly name: string
  readonly patch: Readonly<Record<string, string>>
  readonly sluice: 'accept' | 'reject' | 'either'
}

/** What only whole pulls can see: that a size is not the content's, or an object is missing. */
const aboutContent = /^(?!size-|http-|summary-|delta-).*/

test('objects of the hostile repositories are refused where they must be', { skip }, (t) => {
  const cases = readJsonVector<CorruptCase[]>('ostree', 'corrupt.json')
  let refused = 0
  for (const { name, patch, sluice } of cases.filter((one) => aboutContent.test(one.name))) {
    const problems = Object.entries(patch ?? {}).map(([path, content]) =>
      problemOf(path, Buffer.from(content, 'base64')),
    )
    const problem = problems.find((text) => text !== undefined)
    if (sluice === 'accept') assert.equal(problem, undefined, name)
    if (sluice === 'reject' && problems.length > 0) {
      assert.ok(problem !== undefined, `${name} is accepted`)
      refused++
    }
  }
  t.diagnostic(`${refused} refused`)
  assert.ok(refused >= 20)
})

function problemOf(path: string, bytes: Buffer): string | undefined {
  const object = /^objects\/([0-9a-f]{2})\/([0-9a-f]{62})\.(\w+)$/.exec(path)
  try {
    if (path === 'config') readRepositoryConfig(bytes.toString(), path)
    if (path.startsWith('refs/')) parseOstreeId(bytes.toString().trim())
    if (object === null) return undefined
    const { id } = remake(object[3], bytes)
    return id === object[1] + object[2] ? undefined : 'wrong id'
  } catch (error) {
    return String(error)
  }
}

test('values in commit metadata are at hand with their type', { skip }, (t) => {
  const archive = unpackOstree(t, 'archive')
  const commit = readFileSync(
    join(archive, 'objects/96/1104bd9ca24fde69c51638f99583d9395667bef648b61700ffd6df4873938a.commit'),
  )
  const { metadata, subject, body, timestamp } = readCommit(commit)
  assert.equal(subject, 'First alpha')
  assert.equal(body, 'Body line one\nline two')
  assert.equal(timestamp, BigInt(Date.UTC(2024, 0, 2, 3, 4, 5) / 1000))
  const shown = (name: string) => {
    const { type, bytes } = lookup(metadata, name)!
    return `<${type}:${Buffer.from(bytes).toString('hex')}>`
  }
  assert.equal(shown('i32'), '<i:fbffffff>')
  assert.equal(shown('pair'), '<(su):610000000100000002>')
})
