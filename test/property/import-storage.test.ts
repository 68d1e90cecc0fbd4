/** A layer is the same whatever of it comes as files, whether these are linked or copied, and whoever does the work. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import type { Digest } from '../../src/formats/digest.js'
import { removeQuietly } from '../../src/repository/remove-quietly.js'
import { TEMPORARY_PREFIX } from '../../src/repository/temporary-object.js'
import type { Repository } from '../../src/repository/repository.js'
import type { LayerPiece } from '../../src/stages/containers-storage/storage-image.js'
import { FileSharer } from '../../src/stages/object/share-file.js'
import { packPieces } from '../../src/stages/slab/pack-pieces.js'
import { SLAB_BYTES, SLAB_HEADROOM } from '../../src/stages/slab/slab-pool.js'
import { importLayer, importSlabs } from '../../src/stages/tar/import-layer.js'
import { MIN_MEMORY } from '../../src/options.js'
import { divideMemory, openEngine } from '../../src/workers/open-engine.js'
import { noise } from '../helpers/registry-images.js'
import { directory, endMarker, header } from '../helpers/tar-build.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: 20_000 }),
  fc.constantFrom(64, 65, 4096, SLAB_HEADROOM, SLAB_HEADROOM + 1, SLAB_BYTES - 512, SLAB_BYTES, SLAB_BYTES + 1),
  fc.integer({ min: SLAB_BYTES, max: 3 * SLAB_BYTES }),
)

/** What comes as a file: nothing, the body, or bytes that begin or end elsewhere, as no storage has it. */
const cuts = fc.constantFrom(
  'bytes',
  'body',
  'body',
  'body',
  'early',
  'late',
  'with header',
) satisfies fc.Arbitrary<string>

const bodies = fc.array(fc.record({ size: sizes, cut: cuts, content: fc.nat(3) }), { minLength: 1, maxLength: 8 })

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest

interface Cut {
  readonly bytes: Buffer
  readonly isFile: boolean
}

function cutTar(bodies: readonly { size: number; cut: string; content: number }[]): Cut[] {
  const files = bodies.flatMap(({ size, cut, content }, i): Cut[] => {
    const head = header({ name: `usr/${i}`, size })
    const body = noise(size, `body ${content}`)
    const padding = Buffer.alloc((512 - (size % 512)) % 512)
    const inline = (bytes: Buffer) => ({ bytes, isFile: false })
    const file = (bytes: Buffer) => ({ bytes, isFile: bytes.length > 0 })
    if (cut === 'body') return [inline(head), file(body), inline(padding)]
    if (cut === 'early') return [inline(head), file(body.subarray(0, -1)), inline(body.subarray(-1)), inline(padding)]
    if (cut === 'late') return [inline(head), inline(body.subarray(0, 1)), file(body.subarray(1)), inline(padding)]
    if (cut === 'with header') return [file(Buffer.concat([head, body])), inline(padding)]
    return [inline(head), inline(body), inline(padding)]
  })
  return [{ bytes: directory('usr/'), isFile: false }, ...files, { bytes: endMarker, isFile: false }]
}

/** @param folder gets the files. */
async function* piecesOf(cuts: readonly Cut[], folder: string): AsyncGenerator<LayerPiece> {
  for (const [i, { bytes, isFile }] of cuts.entries()) {
    if (!isFile) yield { bytes }
    else {
      const path = join(folder, String(i))
      writeFileSync(path, bytes, { mode: 0o644 })
      const crc64 = new Crc64().update(bytes).digest().toString('base64')
      yield { file: { fd: openSync(path, 'r'), size: bytes.length, path: String(i), crc64 } }
    }
  }
}

/** Files below `folder` that this process has open. */
function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${folder}/`) ? [path] : []
    } catch {
      return []
    }
  })
}

function temporaryFiles({ objects }: Repository): string[] {
  return readdirSync(objects.directory).filter((name) => name.startsWith(TEMPORARY_PREFIX))
}

for (const threads of [0, 2]) {
  test(`pieces of any kind make the layer that their bytes make, ${threads} threads`, async (t) => {
    const folder = temporaryDirectory(t)
    let runs = 0
    const engineOf = (repository: Repository) => openEngine(repository, { threads, maxMemory: MIN_MEMORY, layers: 1 })
    const direct = await temporaryRepository(t)
    const directEngine = engineOf(direct)
    t.after(() => directEngine.close())
    const property = fc.asyncProperty(
      bodies,
      fc.constantFrom('never', 'insecure'),
      fc.boolean(),
      async (bodies, hardlinks, verify) => {
        const cuts = cutTar(bodies)
        const tar = Buffer.concat(cuts.map(({ bytes }) => bytes))
        const name = { id: sha256(tar), diffId: sha256(tar) }
        const expected = await importLayer(
          direct,
          directEngine,
          name,
          (async function* () {
            yield tar
          })(),
        )

        const own = join(folder, String(runs++))
        mkdirSync(own)
        const repository = await temporaryRepository(t)
        const engine = engineOf(repository)
        try {
          const { signal } = new AbortController()
          const policy = { required: false, hardlinks } as const
          const sharer = new FileSharer(repository.objects)
          const packing = { ...engine, sharer, policy, checkCrc: !verify, signal }
          const slabs = packPieces(piecesOf(cuts, own), packing)
          const layer = await importSlabs(repository, engine, name, slabs, { verify })
          assert.equal(layer.stream, expected.stream)
          assert.equal(layer.size, tar.length)
          assert.equal(layer.inlineBytes, expected.inlineBytes)
          const free = await Promise.all(
            Array.from({ length: divideMemory(MIN_MEMORY, 1).slabs }, () =>
              engine.slabs.take(AbortSignal.timeout(60_000)),
            ),
          )
          for (const slab of free) engine.slabs.give(slab)
          assert.deepEqual(openBelow(own), [])
        } finally {
          await engine.close()
        }
        assert.deepEqual(temporaryFiles(repository), [])
      },
    )
    await fc.assert(property, { numRuns: threads === 0 ? 15 : 6 })
  })
}

test('a file that shrinks or changes after it was opened ends the import, and nothing is left open', async (t) => {
  const folder = temporaryDirectory(t)
  const repository = await temporaryRepository(t)
  const engine = openEngine(repository, { threads: 0, maxMemory: MIN_MEMORY, layers: 1 })
  t.after(() => engine.close())
  const { signal } = new AbortController()
  const policy = { required: false, hardlinks: 'never' } as const
  for (const [size, checkCrc, says] of [
    [5000, false, /: 1 has 4999 bytes, not 5000$/],
    [3 * SLAB_BYTES, false, /1 has 3145727 bytes, not 3145728$/],
    [5000, true, /1 has other content/],
    [3 * SLAB_BYTES, true, /1 has other content/],
  ] as const) {
    const content = noise(size, 'content')
    const path = join(folder, 'file')
    const pieces = async function* (): AsyncGenerator<LayerPiece> {
      yield { bytes: header({ name: 'usr', size }) }
      writeFileSync(path, checkCrc ? content : content.subarray(1))
      yield { file: { fd: openSync(path, 'r'), size, path: '1', crc64: 'AAAAAAAAAAA=' } }
    }
    const packing = { ...engine, sharer: new FileSharer(repository.objects), policy, checkCrc, signal }
    const name = { id: sha256(content), diffId: sha256(content) }
    await assert.rejects(importSlabs(repository, engine, name, packPieces(pieces(), packing)), says)
    assert.deepEqual(openBelow(folder), [])
    assert.deepEqual(temporaryFiles(repository), [])
  }
})

test('who stops in the middle leaves no file open, and keeps no slab', async (t) => {
  const folder = temporaryDirectory(t)
  const repository = await temporaryRepository(t)
  const sizes = [5000, SLAB_BYTES - 4000, 70, 2 * SLAB_BYTES, 600_000, 600_000]
  const cuts = cutTar(sizes.map((size, content) => ({ size, cut: 'body', content })))
  for (let stopAfter = 1; stopAfter < 7; stopAfter++) {
    const engine = openEngine(repository, { threads: 0, maxMemory: MIN_MEMORY, layers: 1 })
    const { signal } = new AbortController()
    const policy = { required: false, hardlinks: 'insecure' } as const
    const packing = { ...engine, sharer: new FileSharer(repository.objects), policy, checkCrc: false, signal }
    let seen = 0
    for await (const slab of packPieces(piecesOf(cuts, folder), packing)) {
      for (const { object } of slab.files) if ('path' in object) removeQuietly(object.path)
      engine.slabs.give(slab)
      if (++seen === stopAfter) break
    }
    assert.equal(seen, stopAfter)
    assert.deepEqual(openBelow(folder), [])
    assert.deepEqual(temporaryFiles(repository), [])
    const free = () => engine.slabs.tryTake() !== undefined
    assert.ok(Array.from({ length: divideMemory(MIN_MEMORY, 1).slabs }, free).every(Boolean))
    await engine.close()
  }
})
