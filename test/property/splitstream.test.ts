/** What goes into a splitstream comes out, wherever the frames end (repository.md §3.5). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ChunkDecoder, ChunkEncoder, FRAME_INPUT } from '../../src/formats/splitstream/chunks.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { mergeStream } from '../../src/stages/splitstream/read.js'
import { SplitstreamWriter } from '../../src/stages/splitstream/write.js'
import { noise } from '../helpers/registry-images.js'
import { temporaryRepository } from '../helpers/temporary.js'

const bytes = noise(3 * FRAME_INPUT, 'inline')
const OBJECTS = 3

/** Bytes of an inline piece, or the number of an object, negative. */
const piece = fc.oneof(
  fc.integer({ min: -OBJECTS, max: -1 }),
  fc.nat(100),
  fc.constantFrom(1, 2).chain((frames) => fc.integer({ min: -20, max: 20 }).map((by) => frames * FRAME_INPUT + by)),
  fc.nat(bytes.length),
)

test('inline runs of any length and references come out of their frames as they went in', () => {
  const property = fc.property(fc.array(piece, { maxLength: 7 }), (pieces) => {
    const sections: Buffer[] = []
    let reserved = -1
    const encoder = new ChunkEncoder({
      frame: (raw) => {
        assert.ok(raw.length > 0 && raw.length <= FRAME_INPUT)
        sections.push(raw)
      },
      reserveWord: () => {
        reserved = sections.push(Buffer.alloc(8)) - 1
      },
      fillWord: (value) => void sections[reserved].writeBigInt64LE(value),
    })
    const wanted: (number | Buffer)[] = []
    let words = 0
    let inRun = false
    for (const size of pieces) {
      if (size < 0) {
        encoder.external(-size - 1)
        wanted.push(-size - 1)
      } else {
        encoder.inline(bytes.subarray(0, size))
        wanted.push(bytes.subarray(0, size))
      }
      if (size < 0 || (size > 0 && !inRun)) words++
      if (size !== 0) inRun = size > 0
    }
    encoder.end()

    const found: (number | Buffer)[] = []
    const decoder = new ChunkDecoder(OBJECTS, {
      inline: (data) => found.push(data as Buffer),
      external: (index) => found.push(index),
    })
    for (const section of sections) decoder.push(section)
    decoder.end()
    assert.deepEqual(joinRuns(found), joinRuns(wanted))
    const length = sections.reduce((sum, section) => sum + section.length, 0)
    assert.equal(length, 8 * words + pieces.reduce((sum, size) => sum + Math.max(size, 0), 0), 'a word for each chunk')
  })
  fc.assert(property, { numRuns: 40 })
})

function joinRuns(parts: readonly (number | Buffer)[]): (number | Buffer)[] {
  const joined: (number | Buffer)[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (typeof part === 'number' || typeof last !== 'object') joined.push(part)
    else joined[joined.length - 1] = Buffer.concat([last, part])
  }
  return joined.filter((part) => typeof part === 'number' || part.length > 0)
}

test('a stream of more than is kept in memory is stored and read back', async (t) => {
  const repository = await temporaryRepository(t)
  const object = noise(1000, 'object')
  const { id } = repository.objects.store(object)
  const writer = new SplitstreamWriter(repository.objects, contentType.layer)
  writer.inline(bytes.subarray(0, 100))
  writer.external(id, 1000)
  writer.inline(bytes)
  await writer.settle()
  writer.external(id, 1000)
  const { id: stream, size } = await writer.finish()
  // Noise does not become shorter.
  assert.ok(size > bytes.length)

  repository.streams.link('noise', stream)
  const open = repository.openStream('noise', contentType.layer)
  t.after(() => open.close())
  const merged: Uint8Array[] = []
  for await (const part of mergeStream(repository, open)) merged.push(part)
  assert.ok(Buffer.concat(merged).equals(Buffer.concat([bytes.subarray(0, 100), object, bytes, object])))
  assert.equal(open.size, BigInt(2100 + bytes.length))
})
