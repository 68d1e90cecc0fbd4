import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { decompress } from 'fzstd'
import { SluiceError } from '../../src/errors.js'
import { objectPath, type Digest, type HashAlgorithm, type ObjectId } from '../../src/formats/digest.js'
import { ChunkDecoder } from '../../src/formats/splitstream/chunks.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { readSplitstream } from '../../src/formats/splitstream/read.js'
import { verityDigest } from '../../src/formats/verity/digest.js'
import type { Repository } from '../../src/repository/repository.js'
import { mergeStream } from '../../src/stages/splitstream/read.js'
import { importLayer } from '../../src/stages/tar/import-layer.js'
import { MIN_MEMORY } from '../../src/options.js'
import { openEngine } from '../../src/workers/open-engine.js'
import { temporaryRepository } from '../helpers/temporary.js'
import { hasVector, readJsonVector, readVector } from '../helpers/vectors.js'

interface StreamVector {
  file: string
  algorithm: string
  file_fsverity: string
  content_type: string | number
  stream_size: number
  ranges: { stream: [number, number] }
  stream_refs: string[]
  object_refs: string[]
  /** Name to index in stream_refs. */
  named_refs: Record<string, number>
  decoded_stream_sha256: string
  chunks: ['inline' | 'external', number][]
  chunk_count: number
  source_tar?: string
  merged_sha256?: string
  'same_bytes_with_any_libzstd_1.5.2_to_1.5.7'?: boolean
}

interface CorruptVectors {
  algorithm: string
  external_object_hex: string
  external_object_id: string
  cases: {
    file: string
    file_fsverity: string
    header_and_refs_accepted: boolean
    merge_succeeds: boolean
    merged_sha256: string | null
    reference_crashes: boolean
  }[]
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const algorithmOf = (name: string): HashAlgorithm => (name.includes('sha512') ? 'sha512' : 'sha256')
const sourceOf = (bytes: Buffer) => ({
  size: bytes.length,
  read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
})

/** Puts a file into the repository under its own digest, as the vector setups ask. */
function plant(repository: Repository, bytes: Uint8Array): ObjectId {
  const id = verityDigest(repository.algorithm, bytes)
  mkdirSync(`${repository.objects.directory}/${id.slice(0, 2)}`, { recursive: true })
  writeFileSync(repository.objects.path(id), bytes)
  return id
}

/** The chunks of a decoded section; adjacent inline pieces joined, as chunk boundaries in a vector are the writer's. */
function listChunks(section: Uint8Array, objectCount: number): ['inline' | 'external', number][] {
  const chunks: ['inline' | 'external', number][] = []
  const decoder = new ChunkDecoder(objectCount, {
    inline: (bytes) => {
      const last = chunks.at(-1)
      if (last?.[0] === 'inline') last[1] += bytes.length
      else chunks.push(['inline', bytes.length])
    },
    external: (index) => chunks.push(['external', index]),
  })
  decoder.push(section)
  decoder.end()
  return chunks
}

test('splitstreams of the reference are read as they are', () => {
  for (const vector of readJsonVector<StreamVector[]>('repository', 'splitstreams.json')) {
    const bytes = readVector('repository', vector.file)
    const algorithm = algorithmOf(vector.algorithm)
    const stream = readSplitstream(sourceOf(bytes), algorithm)
    assert.equal(verityDigest(algorithm, bytes), vector.file_fsverity, vector.file)
    assert.deepEqual(stream.streamRefs, vector.stream_refs, vector.file)
    assert.deepEqual([...stream.objectRefs], vector.object_refs, vector.file)
    const names = Object.entries(vector.named_refs).map(([name, index]) => [name, vector.stream_refs[index]] as const)
    assert.deepEqual(Object.fromEntries(stream.namedRefs), Object.fromEntries(names), vector.file)
    assert.equal(Number(stream.size), vector.stream_size, vector.file)
    assert.deepEqual([stream.stream.start, stream.stream.end], vector.ranges.stream, vector.file)
    if (typeof vector.content_type === 'string') assert.equal(stream.contentType, vector.content_type, vector.file)
    const section = decompress(bytes.subarray(...vector.ranges.stream))
    assert.equal(sha256(section), vector.decoded_stream_sha256, vector.file)
    const chunks = listChunks(section, vector.object_refs.length)
    assert.equal(chunks.length, vector.chunk_count, vector.file)
    assert.deepEqual(chunks.slice(0, vector.chunks.length), vector.chunks, vector.file)
  }
})

async function writeLayer(repository: Repository, tar: Buffer): Promise<ObjectId> {
  const diffId = `sha256:${sha256(tar)}` as Digest
  const engine = openEngine(repository, { maxMemory: MIN_MEMORY, layers: 1 })
  try {
    return (await importLayer(repository, engine, { id: diffId, diffId }, Readable.from([tar]))).stream
  } finally {
    await engine.close()
  }
}

for (const vector of readJsonVector<StreamVector[]>('repository', 'splitstreams.json')) {
  const source = vector.source_tar
  if (source === undefined) continue
  const skip = hasVector('repository', source) ? false : `${source} is not in the vectors at hand`
  test(
    `${vector.file} is written with the reference's chunks and references, and merges to the tar`,
    { skip },
    async (t) => {
      const repository = await temporaryRepository(t, { algorithm: algorithmOf(vector.algorithm) })
      const id = await writeLayer(repository, readVector('repository', source))
      using stream = closing(repository.openStreamObject(id, vector.file, contentType.layer))
      assert.deepEqual([...stream.open.objectRefs], vector.object_refs)
      const bytes = readFileSync(repository.objects.path(id))
      const section = decompress(bytes.subarray(stream.open.stream.start, stream.open.stream.end))
      assert.equal(sha256(section), vector.decoded_stream_sha256)
      if (vector['same_bytes_with_any_libzstd_1.5.2_to_1.5.7'] === true) assert.equal(id, vector.file_fsverity)
      assert.equal(sha256(await merged(repository, stream.open)), vector.merged_sha256)
    },
  )
}

function closing<T extends { close(): void }>(open: T) {
  return { open, [Symbol.dispose]: () => open.close() }
}

async function merged(repository: Repository, stream: ReturnType<Repository['openStream']>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of mergeStream(repository, stream)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function corruptRepository(t: TestContext, vectors: CorruptVectors): Promise<Repository> {
  const repository = await temporaryRepository(t, { algorithm: algorithmOf(vectors.algorithm) })
  const planted = plant(repository, Buffer.from(vectors.external_object_hex, 'hex'))
  assert.equal(planted, vectors.external_object_id)
  mkdirSync(`${repository.path}/streams`)
  return repository
}

test('good, bad and odd splitstreams get the verdict of the reference', async (t) => {
  const vectors = readJsonVector<CorruptVectors>('repository', 'corrupt.json')
  // Accepted by the reference, and free to be refused (vectors/repository/README.md).
  const mayRefuse = new Set(['corrupt/bad-stream-past-eof.splitstream'])
  const repository = await corruptRepository(t, vectors)
  for (const [i, vector] of vectors.cases.entries()) {
    const id = plant(repository, readVector('repository', vector.file))
    const name = `test-${i}`
    symlinkSync(`../objects/${objectPath(id)}`, `${repository.path}/streams/${name}`)
    const outcome = await tryStream(repository, name)
    const mustOpen = vector.reference_crashes ? vector.file.includes('bad-chunk-') : vector.header_and_refs_accepted
    assert.equal(outcome.opened, mustOpen, `open ${vector.file}: ${outcome.error}`)
    if (mayRefuse.has(vector.file)) continue
    assert.equal(outcome.merged !== undefined, vector.merge_succeeds, `merge ${vector.file}: ${outcome.error}`)
    if (vector.merged_sha256 !== null && outcome.merged) assert.equal(sha256(outcome.merged), vector.merged_sha256)
  }
})

async function tryStream(repository: Repository, name: string) {
  let opened = false
  try {
    using stream = closing(repository.openStream(name))
    opened = true
    return { opened, merged: await merged(repository, stream.open), error: undefined }
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error))
    return { opened, merged: undefined, error: error.message }
  }
}
