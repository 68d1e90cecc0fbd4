/** ostree's objects and documents, and the stream that stands for a commit. */
import assert from 'node:assert/strict'
import { SluiceError } from '../../../src/errors.js'
import type { ObjectId } from '../../../src/formats/digest.js'
import { dictionaryType, readDictionary } from '../../../src/formats/gvariant/dictionary.js'
import { writeValue } from '../../../src/formats/gvariant/write.js'
import { CommitStream } from '../../../src/formats/ostree/commit-stream.js'
import { readCommit, writeCommit } from '../../../src/formats/ostree/commit.js'
import { readDeltaIndex } from '../../../src/formats/ostree/delta-listing.js'
import { deltaIndexPath, parseDeltaName, superblockPath } from '../../../src/formats/ostree/delta-path.js'
import { readDirmeta, writeDirmeta } from '../../../src/formats/ostree/dirmeta.js'
import { readDirtree, writeDirtree } from '../../../src/formats/ostree/dirtree.js'
import { readSizedZlibHeader, writeSizedZlibHeader } from '../../../src/formats/ostree/file-header.js'
import { ObjectCollection } from '../../../src/formats/ostree/object-collection.js'
import { decodeRefName, encodeRefName } from '../../../src/formats/ref-file-name.js'
import { checkRefName } from '../../../src/formats/ostree/ref-name.js'
import { readRepositoryConfig } from '../../../src/formats/ostree/repository-config.js'
import { signaturesOf } from '../../../src/formats/ostree/signatures.js'
import { readSummaryCache, writeSummaryCache } from '../../../src/formats/ostree/summary-cache.js'
import { readSummaryIndex } from '../../../src/formats/ostree/summary-index.js'
import { readSummary } from '../../../src/formats/ostree/summary.js'
import { writeSummary, writeSummaryIndex } from '../../helpers/ostree-summaries.js'
import { readXattrs, writeXattrs, xattrMap } from '../../../src/formats/ostree/xattrs.js'
import { readSeeds } from '../corpus.js'
import type { Target } from '../target.js'

/** Each decodes and encodes again; input of another kind is refused. */
const remakers: readonly ((input: Buffer) => Buffer)[] = [
  (input) => writeCommit(readCommit(input)),
  (input) => writeDirtree(readDirtree(input)),
  (input) => writeDirmeta(readDirmeta(input)),
  (input) => {
    const xattrs = readXattrs(input)
    xattrMap(xattrs, false)
    return writeXattrs(xattrs)
  },
  (input) => writeSummary(readSummary(input)),
  (input) => writeSummaryIndex(readSummaryIndex(input)),
  (input) => {
    const { etag, lastModified, summary } = readSummaryCache(input)
    return writeSummaryCache(etag, lastModified, summary)
  },
  (input) => {
    const dictionary = readDictionary(input)
    signaturesOf(dictionary, 'gpg')
    return writeValue(dictionaryType, dictionary)
  },
]

/** Calls `use`; whether it was not refused. */
function accepts(use: () => void): boolean {
  try {
    use()
    return true
  } catch (error) {
    if (error instanceof SluiceError) return false
    throw error
  }
}

function runObject(input: Buffer): void {
  const results = remakers.map((remake) => accepts(() => assert.deepEqual(remake(input), input)))
  results.push(
    accepts(() => void readDeltaIndex(input)),
    accepts(() => {
      const { header, rest } = readSizedZlibHeader(input)
      // The device number is not kept.
      const again = readSizedZlibHeader(Buffer.concat([writeSizedZlibHeader(header), rest]))
      assert.deepEqual(again.header, header)
      assert.deepEqual(again.rest, rest)
    }),
  )
  if (!results.includes(true)) throw new SluiceError('SLUICE_FORMAT', 'nothing that ostree stores')
}

const EXTERNALS = 20

function runStream(input: Buffer): void {
  const stream = new CommitStream(input, EXTERNALS)
  const collection = new ObjectCollection()
  const objectId = (external: number) => external.toString(16).padStart(64, '0') as ObjectId
  for (let index = 0; index < stream.count; index++) {
    const { data, external } = stream.at(index)
    // Data may be shared by objects: more of it is gathered than there is.
    if (data.length * stream.count > 1024 * 1024) return
    collection.add(stream.idAt(index), data, external === undefined ? undefined : objectId(external))
  }
  const { pieces, externals } = collection.payload(stream.commit)
  const again = new CommitStream(Buffer.concat([...pieces()]), externals.length)
  assert.equal(again.commit, stream.commit)
  assert.equal(again.count, stream.count)
  for (let index = 0; index < stream.count; index++) {
    const { data, external } = stream.at(index)
    const found = again.get(stream.idAt(index))
    assert.deepEqual(found?.data, data)
    assert.equal(
      found?.external === undefined ? undefined : externals[found.external],
      external === undefined ? undefined : objectId(external),
    )
  }
}

function runName(input: Buffer): void {
  const text = input.toString('utf8')
  assert.equal(decodeRefName(encodeRefName(text)), text)
  const accepted = [
    accepts(() => assert.ok(!encodeRefName(checkRefName(text)).includes('/'))),
    accepts(() => {
      const ends = parseDeltaName(text)
      if (ends === undefined) throw new SluiceError('SLUICE_FORMAT', 'not the name of a delta')
      assert.match(superblockPath(ends), /^deltas\/[\w+]{2}\/[-\w+]+\/superblock$/)
      assert.match(deltaIndexPath(ends.to), /^delta-indexes\/[\w+]{2}\/[\w+]{41}\.index$/)
    }),
    accepts(() => void readRepositoryConfig(text, 'config')),
  ]
  if (!accepted.includes(true)) throw new SluiceError('SLUICE_FORMAT', 'no name and no configuration')
}

const hex = '0123456789abcdef'.repeat(4)

export const ostreeTargets: readonly Target[] = [
  {
    name: 'ostree-objects',
    weight: 4,
    limit: 8192,
    seeds: readSeeds('ostree-objects', ['ostree'], /\.idx$/),
    run: runObject,
  },
  {
    name: 'commit-stream',
    weight: 3,
    limit: 16 * 1024,
    seeds: readSeeds('commit-stream', ['ostree'], /\.inline\.bin$/),
    run: runStream,
  },
  {
    name: 'ostree-names',
    weight: 1,
    limit: 1000,
    seeds: ['alpha/main', 'a%2F/%', hex, `${hex}-${hex}`, '[core]\nrepo_version=1\nmode=archive-z2\n'].map((text) =>
      Buffer.from(text),
    ),
    run: runName,
  },
]
