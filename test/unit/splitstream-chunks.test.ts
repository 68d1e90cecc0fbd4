/** The encoder of chunks at the edges of its buffers, which grow to a frame. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkDecoder, ChunkEncoder, FRAME_INPUT } from '../../src/formats/splitstream/chunks.js'

/** A run of inline bytes by its length, or the number of an object. */
type Chunk = { readonly inline: number } | { readonly object: number }

const WORD = 8
const KIB = 1024

function encode(chunks: readonly Chunk[]): Buffer[] {
  const pieces: Buffer[] = []
  let reserved = -1
  const encoder = new ChunkEncoder({
    frame: (raw) => void pieces.push(raw),
    reserveWord: () => (reserved = pieces.push(Buffer.alloc(WORD)) - 1),
    fillWord: (value) => void pieces[reserved].writeBigInt64LE(value),
  })
  for (const chunk of chunks) {
    if ('object' in chunk) encoder.external(chunk.object)
    else encoder.inline(Buffer.alloc(chunk.inline, chunk.inline % 251))
  }
  encoder.end()
  return pieces
}

function decode(pieces: readonly Buffer[]): Chunk[] {
  const chunks: Chunk[] = []
  const decoder = new ChunkDecoder(1000, {
    inline: (bytes) => {
      const last = chunks.at(-1)
      if (last !== undefined && 'inline' in last) chunks[chunks.length - 1] = { inline: last.inline + bytes.length }
      else chunks.push({ inline: bytes.length })
    },
    external: (object) => void chunks.push({ object }),
  })
  for (const piece of pieces) decoder.push(piece)
  decoder.end()
  return chunks
}

test('runs and references that end at the edge of a buffer come back as they went in', () => {
  const edges = [64 * KIB, 256 * KIB, 1024 * KIB, FRAME_INPUT, 2 * FRAME_INPUT]
  for (const edge of edges) {
    for (const off of [-2 * WORD, -WORD - 1, -WORD, -1, 0, 1, WORD]) {
      const chunks = [{ object: 7 }, { inline: edge + off }, { object: 8 }, { object: 9 }, { inline: 3 * KIB }]
      const pieces = encode(chunks)
      assert.deepEqual(decode(pieces), chunks, `${edge} ${off}`)
      assert.ok(pieces.every(({ length }) => length <= FRAME_INPUT))
      const bytes = Buffer.concat(pieces)
      const run = bytes.subarray(2 * WORD, 2 * WORD + edge + off)
      assert.ok(
        run.every((byte) => byte === (edge + off) % 251),
        `${edge} ${off}`,
      )
    }
  }
  assert.deepEqual(encode([]), [])
})

test('a small stream takes a small buffer', () => {
  const [piece] = encode([{ inline: 3 * KIB }, { object: 1 }, { inline: KIB }])
  assert.ok(piece.buffer.byteLength <= 64 * KIB, `${piece.buffer.byteLength}`)
})
