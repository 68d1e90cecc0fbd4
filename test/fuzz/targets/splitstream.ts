/** Splitstreams: the file, and the chunks inside. */
import assert from 'node:assert/strict'
import type { ObjectId } from '../../../src/formats/digest.js'
import { ChunkDecoder, ChunkEncoder } from '../../../src/formats/splitstream/chunks.js'
import { contentType, HEADER_SIZE, infoLayout } from '../../../src/formats/splitstream/format.js'
import { readSplitstream, type Splitstream } from '../../../src/formats/splitstream/read.js'
import { encodeNamedRefs, encodeSplitstreamHead } from '../../../src/formats/splitstream/write.js'
import { decompressSection } from '../../../src/formats/zstd/decompress.js'
import { cut } from '../../helpers/tar-parts.js'
import { readSeeds } from '../corpus.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'
import { rawFrame } from '../zstd-frames.js'

type Chunk = Buffer | number

/** What the sections of the seeds hold is far below. */
const MERGE_LIMIT = 4 * 1024 * 1024

function readChunks(bytes: Buffer, objects: number, pieces: readonly number[]): Chunk[] {
  const chunks: Chunk[] = []
  let run: Buffer[] = []
  const endRun = (): void => {
    if (run.length > 0) chunks.push(Buffer.concat(run))
    run = []
  }
  const decoder = new ChunkDecoder(objects, {
    inline: (data) => run.push(Buffer.from(data)),
    external: (index) => {
      endRun()
      chunks.push(index)
    },
  })
  for (const piece of cut(bytes, pieces)) decoder.push(piece)
  decoder.end()
  endRun()
  return chunks
}

function encodeChunks(chunks: readonly Chunk[]): Buffer {
  const frames: Buffer[] = []
  const unexpected = () => assert.fail('a run longer than a frame')
  const encoder = new ChunkEncoder({
    frame: (raw) => frames.push(raw),
    reserveWord: unexpected,
    fillWord: unexpected,
  })
  for (const chunk of chunks) {
    if (typeof chunk === 'number') encoder.external(chunk)
    else encoder.inline(chunk)
  }
  encoder.end()
  return Buffer.concat(frames)
}

function runChunks(input: Buffer, random: Random): void {
  const objects = random.below(5)
  const chunks = readChunks(input, objects, [1 + random.below(20)])
  const again = readChunks(encodeChunks(chunks), objects, [1 << 20])
  assert.deepEqual(again, chunks, 'chunks that are written again are the same')
}

function generateChunks(random: Random): Buffer {
  const pieces = Array.from({ length: random.below(8) }, () => {
    const length = random.length(300)
    const word = Buffer.alloc(8)
    if (random.chance(0.5)) word.writeBigInt64LE(BigInt(random.below(5)))
    else word.writeBigInt64LE(-BigInt(length))
    return random.chance(0.5) ? word : Buffer.concat([word, random.bytes(length)])
  })
  return Buffer.concat(pieces)
}

/** Object ids of 32 bytes. */
function ids(count: number): ObjectId[] {
  return Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, '0') as ObjectId)
}

function generateStream(random: Random): Buffer {
  const streamRefs = ids(random.below(4))
  const names = new Map(streamRefs.map((_, i) => [`name${random.below(9)}:${i}`, i + (random.chance(0.05) ? 9 : 0)]))
  const stream = rawFrame(generateChunks(random))
  const head = encodeSplitstreamHead({
    algorithm: 'sha256',
    contentType: contentType.layer,
    size: random.below(1000),
    streamRefs,
    objectRefs: ids(random.below(5)),
    namedRefs: rawFrame(random.chance(0.2) ? random.bytes(random.length(50)) : encodeNamedRefs(names)),
    streamLength: stream.length,
  })
  const file = Buffer.concat([head, stream])
  if (random.chance(0.3)) {
    const field = HEADER_SIZE + random.pick(Object.values(infoLayout)) + random.pick([0, 8])
    file.writeBigUInt64LE(
      BigInt(random.pick([0, 31, 32, 113, file.length, file.length + 1, 2 ** 53])),
      Math.min(field, file.length - 8),
    )
  }
  return file
}

const source = (bytes: Buffer) => ({
  size: bytes.length,
  read(offset: number, length: number) {
    assert.ok(offset >= 0 && length >= 0 && offset + length <= bytes.length, 'a read outside the file')
    return bytes.subarray(offset, offset + length)
  },
})

/** Everything a stream says; the chunks last. */
function meaning(bytes: Buffer, algorithm: 'sha256' | 'sha512', pieces: readonly number[]): [Splitstream, Chunk[]] {
  const stream = readSplitstream(source(bytes), algorithm)
  const section = decompressSection(bytes.subarray(stream.stream.start, stream.stream.end), MERGE_LIMIT)
  return [stream, readChunks(section, stream.objectRefs.length, pieces)]
}

function runStream(input: Buffer, random: Random): void {
  const algorithm = input[14] === 2 ? 'sha512' : 'sha256'
  const [stream, chunks] = meaning(input, algorithm, [1 + random.below(2000)])
  if (stream.size > BigInt(Number.MAX_SAFE_INTEGER)) return
  const section = rawFrame(encodeChunks(chunks))
  const names = new Map([...stream.namedRefs].map(([name, id]) => [name, stream.streamRefs.indexOf(id)]))
  const head = encodeSplitstreamHead({
    algorithm,
    contentType: stream.contentType,
    size: Number(stream.size),
    streamRefs: stream.streamRefs,
    objectRefs: [...stream.objectRefs],
    namedRefs: rawFrame(encodeNamedRefs(names)),
    streamLength: section.length,
  })
  const [again, chunksAgain] = meaning(Buffer.concat([head, section]), algorithm, [1 << 20])
  assert.deepEqual(chunksAgain, chunks, 'a stream that is written again has the same chunks')
  assert.deepEqual([...again.objectRefs], [...stream.objectRefs])
  assert.deepEqual(again.namedRefs, stream.namedRefs)
}

const seeds = readSeeds(
  'splitstream',
  ['repository/corrupt', 'repository/splitstreams', 'ostree'],
  /\.splitstream(\.gz)?$/,
)

export const splitstreamTarget: Target = {
  name: 'splitstream',
  weight: 4,
  limit: 32 * 1024,
  seeds,
  generate: generateStream,
  run: runStream,
}

export const chunksTarget: Target = {
  name: 'chunks',
  weight: 2,
  limit: 4096,
  seeds: [Buffer.alloc(8), Buffer.from('fefffffffffffffff0f1', 'hex')],
  generate: generateChunks,
  run: runChunks,
}
