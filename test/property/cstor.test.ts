/** tar-split and the wire formats: any chunking gives the same; damage is refused and never crashes. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.js'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import { layerPath } from '../../src/formats/cstor/layer-path.js'
import { matchImage } from '../../src/formats/cstor/match-image.js'
import { parseImageRecords, parseLayerRecords } from '../../src/formats/cstor/records.js'
import { SplitDirReader, splitDirChunkToBytes, type SplitDirChunk } from '../../src/formats/cstor/splitdirfdstream.js'
import { SplitFdReader, splitFdChunkToBytes, type SplitFdChunk } from '../../src/formats/cstor/splitfdstream.js'
import { parseStoreReference } from '../../src/formats/cstor/store-reference.js'
import { TarSplitReader, type TarSplitEntry } from '../../src/formats/cstor/tar-split.js'
import { tarSplitLines, type TarPart } from '../helpers/storage-store.js'

const byteText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const utf8Name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .map((name) => Buffer.from(name, 'utf8').toString('latin1'))
const part: fc.Arbitrary<TarPart> = fc.oneof(
  byteText,
  fc.record({ name: utf8Name, content: byteText }),
  fc.record({ name: byteText.filter((name) => name !== ''), content: byteText, rawName: fc.constant(true) }),
)

interface Reader<Value> {
  push(bytes: Buffer): Value[]
  finish(): Value[] | void
}

/** Reads `bytes` in pieces that end at `cuts`; each piece is overwritten after, as its memory is not the reader's. */
function readInPieces<Value>(reader: Reader<Value>, bytes: Buffer, cuts: readonly number[], reuse: boolean): Value[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  const values: Value[] = []
  let start = 0
  for (const end of ends) {
    const piece = Buffer.from(bytes.subarray(start, end))
    values.push(...reader.push(piece))
    if (reuse) piece.fill(0)
    start = end
  }
  values.push(...(reader.finish() ?? []))
  return values
}

/** What is not a SluiceError is a bug. */
function refusesOrReads(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 12 })

test('tar-split lines give their entries at any chunking', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), cuts, fc.boolean(), (parts, at, lastNewline) => {
      const lines = tarSplitLines(parts)
      const bytes = Buffer.from(lastNewline ? lines : lines.replace(/\n$/, ''))
      const entries = readInPieces(new TarSplitReader(), bytes, at, true)
      assert.deepEqual(
        entries.map((entry) => (entry.type === 'segment' ? entry.bytes.toString('latin1') : [entry.name, entry.size])),
        parts.map((given) => (typeof given === 'string' ? given : [given.name, given.content.length])),
      )
    }),
    { numRuns: 300 },
  )
})

test('a line without an end is refused before it fills the memory', () => {
  const reader = new TarSplitReader()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  let taken = 0
  assert.throws(() => {
    for (; taken < 100; taken++) reader.push(chunk)
  }, /line 1: it has more than/)
  assert.equal(taken, 64)
})

const edit = fc.record({ at: fc.nat(), remove: fc.nat({ max: 8 }), insert: fc.uint8Array({ maxLength: 8 }) })

function damaged(bytes: Buffer, edits: readonly { at: number; remove: number; insert: Uint8Array }[]): Buffer {
  return edits.reduce((before, { at, remove, insert }) => {
    const start = at % (before.length + 1)
    return Buffer.concat([before.subarray(0, start), insert, before.subarray(start + remove)])
  }, bytes)
}

test('damaged tar-split is refused, or read into sound entries', () => {
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 8 }),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      cuts,
      (parts, edits, at) => {
        const bytes = damaged(Buffer.from(tarSplitLines(parts)), edits)
        refusesOrReads(() => {
          const entries: TarSplitEntry[] = readInPieces(new TarSplitReader(), bytes, at, false)
          for (const entry of entries) {
            assert.ok(entry.type === 'segment' || (Number.isSafeInteger(entry.size) && entry.size >= 0))
          }
        })
      },
    ),
    { numRuns: 500 },
  )
})

test('names stay in the layer', () => {
  const anyPath = fc
    .array(fc.oneof(fc.constantFrom('', '.', '..', 'a', '...', '.a', 'a..'), byteText), { maxLength: 6 })
    .map((names) => names.join('/'))
  fc.assert(
    fc.property(anyPath, (name) => {
      const path = layerPath(name)
      const parts = name.split('/').filter((each) => each !== '' && each !== '.')
      const sound = parts.length > 0 && !parts.includes('..') && !name.includes('\0')
      assert.equal(path, sound ? parts.join('/') : undefined)
    }),
    { numRuns: 500 },
  )
})

/** By the definition: one bit after the other. */
function slowCrc64(bytes: Uint8Array): string {
  let crc = 0xffffffffffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0xd800000000000000n : crc >> 1n
  }
  return (crc ^ 0xffffffffffffffffn).toString(16).padStart(16, '0')
}

test('CRC-64 is what its definition gives, in pieces of any size and alignment', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), cuts, (bytes, at) => {
      const crc = new Crc64()
      let start = 0
      for (const end of [...at.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
        crc.update(bytes.subarray(start, end))
        start = end
      }
      assert.equal(crc.digest().toString('hex'), slowCrc64(bytes))
    }),
    { numRuns: 300 },
  )
})

const bytesOf = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
/** What a reader gives has the usual prototype. */
const plain = <Value>(model: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }): fc.Arbitrary<Value> =>
  fc.record(model, { noNullPrototype: true })

const dirChunk: fc.Arbitrary<SplitDirChunk> = fc.oneof(
  plain({ type: fc.constant('metadata' as const), bytes: bytesOf.filter((bytes) => bytes.length > 0) }),
  plain({ type: fc.constant('inline' as const), bytes: bytesOf }),
  plain({
    type: fc.constant('file' as const),
    length: fc.maxSafeNat(),
    directory: fc.nat({ max: 4 }),
    name: byteText.filter((name) => name !== '' && !/\0|^\/|(^|\/)\.\.(\/|$)/.test(name)),
  }),
)
const fdChunk: fc.Arbitrary<SplitFdChunk> = fc.oneof(
  plain({ type: fc.constant('inline' as const), bytes: bytesOf.filter((bytes) => bytes.length > 0) }),
  plain({ type: fc.constant('external' as const), index: fc.nat({ max: 0xffffffff }) }),
)

test('wire formats are read as they were written, at any chunking; damage never crashes', () => {
  fc.assert(
    fc.property(fc.array(dirChunk, { maxLength: 10 }), cuts, fc.array(edit, { maxLength: 3 }), (chunks, at, edits) => {
      const bytes = Buffer.concat(chunks.map((chunk) => splitDirChunkToBytes(chunk)))
      assert.deepEqual(readInPieces(new SplitDirReader(5), bytes, at, false), chunks)
      refusesOrReads(() => readInPieces(new SplitDirReader(5), damaged(bytes, edits), at, false))
    }),
    { numRuns: 200 },
  )
  fc.assert(
    fc.property(fc.array(fdChunk, { maxLength: 10 }), cuts, fc.array(edit, { maxLength: 3 }), (chunks, at, edits) => {
      const bytes = Buffer.concat(chunks.map((chunk) => splitFdChunkToBytes(chunk)))
      assert.deepEqual(readInPieces(new SplitFdReader(), bytes, at, false), chunks)
      refusesOrReads(() => readInPieces(new SplitFdReader(), damaged(bytes, edits), at, false))
    }),
    { numRuns: 200 },
  )
})

test('numbers that the wire formats cannot hold are refused, not written as something else', () => {
  const isFormat = { name: 'SluiceError', code: 'SLUICE_FORMAT' }
  for (const index of [-1, 0.5, 2 ** 32, NaN]) {
    const file: SplitDirChunk = { type: 'file', length: 1, directory: index, name: 'a' }
    assert.throws(() => splitDirChunkToBytes(file), isFormat)
    assert.throws(() => splitFdChunkToBytes({ type: 'external', index }), isFormat)
  }
  for (const length of [-1, 0.5, 2 ** 53, NaN]) {
    const file: SplitDirChunk = { type: 'file', length, directory: 0, name: 'a' }
    assert.throws(() => splitDirChunkToBytes(file), isFormat)
  }
})

test('any records and any reference give an image, or none', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const name = fc.oneof(
    fc.constantFrom('a', 'x/a:b', 'h/x/a', `x/a@${digest}`, 'a'.repeat(64), '[', '@', ':'),
    fc.string(),
  )
  const record = fc.record(
    {
      id: fc.oneof(name, fc.anything()),
      names: fc.oneof(fc.array(name), fc.anything()),
      digest: fc.constantFrom(digest, 3),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(record, fc.jsonValue())), fc.array(name, { minLength: 1 }), (records, texts) => {
      const bytes = Buffer.from(JSON.stringify(records) ?? '[]')
      parseLayerRecords(bytes, 'layers.json')
      const images = parseImageRecords(bytes, 'images.json')
      for (const text of [...texts, texts.join('/'), texts.join('@')]) {
        refusesOrReads(() => {
          const match = matchImage(parseStoreReference(text).image, [images])
          assert.ok(match === undefined || images.includes(match.image))
        })
      }
    }),
    { numRuns: 300 },
  )
})

test('no image is meant by nothing, by a path, or by what leads out of one (containers-storage.md §3.1)', () => {
  for (const name of ['', '/a', 'a/../b', '..', '../a', 'a/..', 'a']) {
    const images = parseImageRecords(
      Buffer.from(JSON.stringify([{ id: 'a'.repeat(64), names: [name] }])),
      'images.json',
    )
    assert.equal(images.length, 1)
    assert.equal(matchImage(name, [images])?.image, name === 'a' ? images[0] : undefined, name)
  }
})
