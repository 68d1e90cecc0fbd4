/**
 * What lies on the disk after a pull depends on the image alone: not on concurrency, threads, memory, chunking, decoders,
 * interruptions, order or company.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { SluiceError } from '../../src/errors.js'
import type { Digest } from '../../src/formats/digest.js'
import { MediaType } from '../../src/formats/oci/media-types.js'
import { parseManifest } from '../../src/formats/oci/manifest.js'
import { checkRepository } from '../../src/pipelines/fsck.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import { Repository } from '../../src/repository/repository.js'
import type { ImageSource } from '../../src/stages/fetch/image-source.js'
import { MIN_MEMORY } from '../../src/options.js'
import { layerTar } from '../helpers/pull.js'
import { temporaryRepository } from '../helpers/temporary.js'

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest

const tars = [
  layerTar('base', [0, 1, 64, 65, 4096, 4097, 1_100_000]),
  layerTar('lib', [5000, 5000, 70_000]),
  layerTar('app', [65, 300]),
  layerTar('base', [0, 1, 64, 65, 4096, 4097, 1_100_000]),
]
const blobs = tars.map((tar, i) => (i % 2 === 0 ? gzipSync(tar) : tar))
const config = Buffer.from(
  JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } }),
)
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length },
    layers: blobs.map((blob, i) => ({
      mediaType: `application/vnd.oci.image.layer.v1.tar${i % 2 === 0 ? '+gzip' : ''}`,
      digest: digestOf(blob),
      size: blob.length,
    })),
  }),
)

interface Schedule {
  readonly concurrency: number
  readonly threads: number
  /** Bytes for buffers beyond the least that is needed. */
  readonly memory: number
  readonly native: boolean
  /** The pull is cancelled after so many pieces of blobs, and made again; once for each number. */
  readonly interruptions: readonly number[]
  readonly chunks: readonly number[]
  /** Milliseconds before a piece, by its number. */
  readonly pauses: readonly number[]
}

/** Gives the blobs cut and delayed as the schedule says. */
function scheduled(
  { chunks, pauses }: Pick<Schedule, 'chunks' | 'pauses'>,
  onPiece = (): void => undefined,
): ImageSource {
  const document = () => Promise.resolve(config)
  return {
    description: 'schedule',
    manifest: () =>
      Promise.resolve({
        bytes: manifest,
        digest: digestOf(manifest),
        mediaType: MediaType.ociManifest,
        manifest: parseManifest(manifest, 'manifest'),
      }),
    document,
    async *blob({ digest }) {
      const bytes = blobs[blobs.findIndex((blob) => digestOf(blob) === digest)]
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const pause = pauses[i % pauses.length]
        if (i < 20 && pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
        onPiece()
        const end = i < 2000 ? at + chunks[i % chunks.length] : bytes.length
        yield bytes.subarray(at, end)
        at = end
      }
    },
    close: () => Promise.resolve(),
  }
}

function listing(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const file = join(entry.parentPath, entry.name)
      const name = file.slice(path.length)
      if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(file)}`
      return entry.isFile() ? `${name} ${digestOf(readFileSync(file))}` : name
    })
    .sort()
}

const schedules: fc.Arbitrary<Schedule> = fc.record({
  concurrency: fc.integer({ min: 1, max: 6 }),
  threads: fc.integer({ min: 0, max: 3 }),
  memory: fc.constantFrom(0, 0, 30_000_000, 150_000_000),
  native: fc.boolean(),
  interruptions: fc.array(fc.nat(300), { maxLength: 2 }),
  chunks: fc.array(fc.constantFrom(1, 511, 512, 513, 4096, 65_536, 1_000_000), { minLength: 1, maxLength: 6 }),
  pauses: fc.array(fc.constantFrom(0, 0, 0, 1, 3), { minLength: 1, maxLength: 5 }),
})

async function pullAsScheduled(repository: Repository, schedule: Schedule): Promise<void> {
  const { concurrency, threads, memory } = schedule
  const options = { tag: 't', concurrency, threads, maxMemory: MIN_MEMORY + memory }
  for (const interruption of schedule.interruptions) {
    const controller = new AbortController()
    let left = interruption
    const source = scheduled(schedule, () => {
      if (left-- === 0) controller.abort()
    })
    try {
      await pullOciImage(repository, () => Promise.resolve(source), { ...options, signal: controller.signal })
    } catch (error) {
      assert.equal((error as SluiceError).code, 'SLUICE_CANCELLED')
    }
  }
  await pullOciImage(repository, () => Promise.resolve(scheduled(schedule)), options)
}

const plain: Schedule = {
  concurrency: 1,
  threads: 0,
  memory: 0,
  native: true,
  interruptions: [],
  chunks: [65_536],
  pauses: [0],
}

/** As many as are asked for, or few enough for every day. */
const numRuns = Number(process.env['SLUICE_SCHEDULES'] ?? 40)

test('every schedule of a pull leaves the same repository', async (t) => {
  const before = process.env['SLUICE_NATIVE']
  t.after(() => {
    if (before === undefined) delete process.env['SLUICE_NATIVE']
    else process.env['SLUICE_NATIVE'] = before
  })
  const pull = async (schedule: Schedule) => {
    if (!schedule.native) process.env['SLUICE_NATIVE'] = 'off'
    else if (before === undefined) delete process.env['SLUICE_NATIVE']
    const repository = await temporaryRepository(t)
    await pullAsScheduled(repository, schedule)
    const found = listing(repository.path)
    repository.close()
    rmSync(repository.path, { recursive: true })
    return found
  }
  const expected = await pull(plain)
  assert.ok(expected.length > 20)
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => assert.deepEqual(await pull(schedule), expected)),
    { numRuns, endOnFailure: true },
  )
})

test('several pulls into one repository at once leave what one leaves', async (t) => {
  const alone = await temporaryRepository(t)
  const slow = { chunks: [4096], pauses: [0, 1] }
  await pullOciImage(alone, () => Promise.resolve(scheduled(slow)), { tag: 't' })
  const shared = await temporaryRepository(t)
  const others = await Promise.all([1, 2].map(() => Repository.open(shared.path, { insecure: true })))
  t.after(() => others.forEach((other) => other.close()))
  await Promise.all(
    [shared, ...others].map((repository, i) =>
      pullOciImage(repository, () => Promise.resolve(scheduled({ ...slow, chunks: [1000 * (i + 1)] })), { tag: 't' }),
    ),
  )
  assert.deepEqual(listing(shared.path), listing(alone.path))
  assert.deepEqual((await checkRepository(shared)).errors, [])
})
