/** tar-split, its checksum, and the wire formats, against vectors taken from podman and the reference tool. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors.js'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import { SplitDirReader, splitDirChunkToBytes, type SplitDirChunk } from '../../src/formats/cstor/splitdirfdstream.js'
import { SplitFdReader, splitFdChunkToBytes, type SplitFdChunk } from '../../src/formats/cstor/splitfdstream.js'
import { openStorageImage } from '../../src/stages/containers-storage/open-storage-image.js'
import { bareEnvironment, rebuildTar } from '../helpers/storage.js'
import { HandmadeStore, storageId } from '../helpers/storage-store.js'
import { temporaryDirectory } from '../helpers/temporary.js'
import { hasVector, readJsonVector, readVector, vectorPath } from '../helpers/vectors.js'

const needs = { skip: !hasVector('cstor') && 'not in the set of vectors at hand' }

function foldersOf(name: string): string[] {
  if (!hasVector('cstor', name)) return []
  return readdirSync(vectorPath('cstor', name), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
}

interface ExpectedTar {
  readonly tar_sha256: string
  readonly tar_size: number
  readonly file_entries_with_data: number
}

describe('tar-split', needs, () => {
  for (const name of foldersOf('tarsplit')) {
    test(name, async (t) => {
      const expected = readJsonVector<ExpectedTar>('cstor', 'tarsplit', name, 'expected.json')
      const store = new HandmadeStore(join(temporaryDirectory(t), 'root'))
      const id = storageId(name)
      const diffId = `sha256:${expected.tar_sha256}`
      store.write(
        [{ id, parts: [], record: { 'diff-digest': diffId, 'diff-size': expected.tar_size } }],
        [{ id, names: [`localhost/${name}:latest`], layer: id, diffIds: [diffId] }],
      )
      copyFileSync(vectorPath('cstor', 'tarsplit', name, 'layer.tar-split.gz'), store.tarSplit(id))
      unpack(vectorPath('cstor', 'tarsplit', name, 'diff.tar.gz'), store.layerDirectory(id))
      const image = await openStorageImage(name, { storageRoot: store.root, env: bareEnvironment(store.root) })
      t.after(() => image.close())
      assert.deepEqual(await rebuildTar(image.layers[0]), {
        diffId,
        size: expected.tar_size,
        files: expected.file_entries_with_data,
        wrongChecksums: [],
      })
    })
  }
})

function unpack(archive: string, directory: string): void {
  mkdirSync(directory, { recursive: true })
  const list = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' })
  const strip = list.startsWith('diff/') || list.startsWith('./diff/')
  const options = strip ? [`--strip-components=${list.startsWith('./') ? 2 : 1}`] : []
  execFileSync('tar', ['--no-same-owner', ...options, '-xzf', archive, '-C', directory])
}

interface ChecksumCase {
  readonly hex: string
  readonly crc64_hex: string
  readonly base64: string
}

test('CRC-64', needs, () => {
  const { cases } = readJsonVector<{ cases: readonly ChecksumCase[] }>('cstor', 'tarsplit', 'crc64.json')
  for (const { hex, crc64_hex: wanted, base64 } of cases) {
    const bytes = Buffer.from(hex, 'hex')
    const digest = new Crc64().update(bytes).digest()
    assert.equal(digest.toString('hex'), wanted)
    assert.equal(digest.toString('base64'), base64)
    const halves = new Crc64().update(bytes.subarray(0, bytes.length >> 1)).update(bytes.subarray(bytes.length >> 1))
    assert.deepEqual(halves.digest(), digest)
  }
})

interface DirChunkCase {
  readonly type: 'metadata' | 'inline' | 'file'
  readonly hex?: string
  readonly length?: number
  readonly dirfd?: number
  readonly name?: string
}

interface BadStream {
  readonly name?: string
  readonly hex: string
  readonly error: string
}

interface Wire<Chunk> {
  readonly example: { readonly chunks: readonly Chunk[]; readonly hex: string }
  readonly bad: readonly BadStream[]
}

/** What the reason of a refusal has to say, out of the words of the vector. */
function saysWhy({ name, error: wanted }: BadStream): (error: unknown) => boolean {
  const word = /truncated|unknown chunk type|too large|too long|empty|`..`|absolute|NUL|out of range|over/.exec(
    wanted,
  )![0]
  return (error) => {
    assert.ok(error instanceof SluiceError && error.code === 'SLUICE_FORMAT', String(error))
    assert.ok(error.message.includes(word), `${name}: ${error.message}`)
    return true
  }
}

describe('splitdirfdstream', needs, () => {
  const read = (bytes: Buffer, directories: number, step = bytes.length || 1): SplitDirChunk[] => {
    const reader = new SplitDirReader(directories)
    const chunks: SplitDirChunk[] = []
    for (let at = 0; at < bytes.length; at += step) chunks.push(...reader.push(bytes.subarray(at, at + step)))
    reader.finish()
    return chunks
  }
  const wire = (): Wire<DirChunkCase> => readJsonVector('cstor', 'splitdirfdstream', 'wire.json')

  test('the example, read at any chunking, and written', () => {
    const { hex, chunks } = wire().example
    const bytes = Buffer.from(hex, 'hex')
    const wanted = chunks.map(({ type, hex: body, length, dirfd, name }) =>
      type === 'file' ? { type, length, directory: dirfd, name } : { type, bytes: Buffer.from(body ?? '', 'hex') },
    )
    for (const step of [1, 2, 7, bytes.length]) assert.deepEqual(read(bytes, 3, step), wanted)
    assert.deepEqual(Buffer.concat(read(bytes, 3).map((chunk) => splitDirChunkToBytes(chunk))), bytes)
  })

  test('an empty stream; empty metadata is read and not written', () => {
    assert.deepEqual(read(Buffer.alloc(0), 0), [])
    const [empty] = read(Buffer.alloc(5), 0)
    assert.deepEqual(empty, { type: 'metadata', bytes: Buffer.alloc(0) })
    assert.equal(splitDirChunkToBytes(empty).length, 0)
  })

  test('bad streams are refused, at any chunking', () => {
    for (const bad of wire().bad) {
      const bytes = Buffer.from(bad.hex, 'hex')
      for (const step of [1, bytes.length]) assert.throws(() => read(bytes, 2, step), saysWhy(bad), bad.name)
    }
  })

  for (const name of foldersOf('splitdirfdstream')) {
    test(`${name}: the chunks and the tar of a stream`, (t) => {
      const expected = readJsonVector<{
        readonly dirfd_index_of_diff: number
        readonly reassembled_sha256: string
        readonly reassembled_size: number
        readonly chunks: readonly DirChunkCase[]
      }>('cstor', 'splitdirfdstream', name, 'expected.json')
      const diff = join(temporaryDirectory(t), 'diff')
      unpack(vectorPath('cstor', 'splitdirfdstream', name, 'diff.tar.gz'), diff)
      const stream = readVector('cstor', 'splitdirfdstream', name, 'stream.bin')
      const chunks = read(stream, expected.dirfd_index_of_diff + 1, 1000)
      assert.deepEqual(
        chunks.map((chunk) =>
          chunk.type === 'file'
            ? { type: chunk.type, length: chunk.length, dirfd: chunk.directory, name: chunk.name }
            : { type: chunk.type, length: chunk.bytes.length },
        ),
        expected.chunks,
      )
      const tar = Buffer.concat(
        chunks.map((chunk) =>
          chunk.type === 'file' ? readFileSync(join(diff, chunk.name)).subarray(0, chunk.length) : chunk.bytes,
        ),
      )
      assert.equal(tar.length, expected.reassembled_size)
      assert.equal(createHash('sha256').update(tar).digest('hex'), expected.reassembled_sha256)
    })
  }
})

describe('splitfdstream', needs, () => {
  const read = (bytes: Buffer, step: number): SplitFdChunk[] => {
    const reader = new SplitFdReader()
    const chunks: SplitFdChunk[] = []
    for (let at = 0; at < bytes.length; at += step) chunks.push(...reader.push(bytes.subarray(at, at + step)))
    reader.finish()
    return chunks
  }
  const wire = (): Wire<{ readonly inline?: string; readonly external?: number }> =>
    readJsonVector('cstor', 'splitfdstream', 'wire.json')

  test('the example, read at any chunking, and written', () => {
    const { hex, chunks } = wire().example
    const bytes = Buffer.from(hex, 'hex')
    const wanted = chunks.map(({ inline, external }) =>
      inline === undefined ? { type: 'external', index: external } : { type: 'inline', bytes: Buffer.from(inline) },
    )
    for (const step of [1, 3, bytes.length]) assert.deepEqual(read(bytes, step), wanted)
    assert.deepEqual(Buffer.concat(read(bytes, 9).map((chunk) => splitFdChunkToBytes(chunk))), bytes)
  })

  test('bad streams are refused, at any chunking', () => {
    for (const bad of wire().bad) {
      const bytes = Buffer.from(bad.hex, 'hex')
      for (const step of [1, bytes.length]) assert.throws(() => read(bytes, step), saysWhy(bad), bad.hex)
    }
  })
})
