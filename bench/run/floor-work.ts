/**
 * A program: does with an image what no pull can do without, on one core and without any parsing, waiting or bookkeeping.
 * What it takes of the processor, divided by the cores, is the time below which a pull cannot come.
 *
 * It does so on all cores beside each other, as a pull has them all at work: two threads of one core, or cores that share
 * caches and memory, take more CPU seconds for the same work than one alone.
 *
 * Arguments: how many beside each other, OCI layout, manifest digest, algorithm, `objects` folder of a finished pull, folder
 * for its copy. Prints the CPU seconds of each step as JSON, the mean of all.
 */
import { execFile, spawnSync } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { SluiceError } from '../../src/errors.js'
import type { HashAlgorithm } from '../../src/formats/digest.js'
import { parseManifest } from '../../src/formats/oci/manifest.js'
import { VerityHasher, verityDigests } from '../../src/formats/verity/digest.js'
import { hashTogether } from '../../src/native/multi-hash.js'
import { PinnedBuffer } from '../../src/native/pinned-buffer.js'
import type { OutputMemory } from '../../src/stages/decompress/output-memory.js'
import { decompress } from '../../src/stages/decompress/decompress.js'
import { blobPath } from '../corpora/corpora.js'
import { childTimes } from './child-times.js'

const PIECE_BYTES = 1024 * 1024

const [beside, layout, manifestDigest, algorithm, objects, copy] = process.argv.slice(2)

interface Steps {
  readonly layers: number
  readonly blocks: number
  readonly write: number
}

/** CPU seconds so far, of this process and its ended children. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  const { userSeconds, systemSeconds } = childTimes()
  return (user + system) / 1e6 + userSeconds + systemSeconds
}

/** Decoders write to the same memory again and again: nothing here keeps what they give. */
function reusedMemory(): OutputMemory {
  const memory = PinnedBuffer.allocate(PIECE_BYTES)
  return { take: () => memory, give: () => undefined }
}

async function inflate(path: string, packed: Hash, plain: Hash): Promise<void> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
      packed.update(chunk as Buffer)
      yield chunk as Buffer
    }
  }
  for await (const chunk of decompress(bytes(), 'gzip', { memory: reusedMemory() })) plain.update(chunk)
}

/** Inflates every layer; SHA-256 of both its forms. */
async function readLayers(): Promise<void> {
  for (const { digest } of parseManifest(readFileSync(blobPath(layout, manifestDigest)), layout).layers) {
    const [packed, plain] = [createHash('sha256'), createHash('sha256')]
    await inflate(blobPath(layout, digest), packed, plain)
    const actual = `sha256:${packed.digest('hex')}`
    plain.digest()
    if (actual !== digest) throw new SluiceError('SLUICE_DIGEST_MISMATCH', `${digest} has the digest ${actual}`)
  }
}

function* objectSizes(folder: string): Generator<number> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* objectSizes(path)
    else yield lstatSync(path).size
  }
}

/** As many fs-verity digests of as many bytes as there are objects, out of one piece of memory. */
function hashObjects(sizes: readonly number[]): void {
  const piece = Buffer.alloc(PIECE_BYTES, 0x5a)
  const small = sizes.filter((size) => size <= PIECE_BYTES).map((size) => piece.subarray(0, size))
  verityDigests(algorithm as HashAlgorithm, small, hashTogether)
  for (const size of sizes) {
    if (size <= PIECE_BYTES) continue
    const hasher = new VerityHasher(algorithm as HashAlgorithm, hashTogether)
    for (let left = size; left > 0; left -= PIECE_BYTES) hasher.update(piece.subarray(0, Math.min(left, PIECE_BYTES)))
    hasher.digest()
  }
}

function copyObjects(): void {
  const { status, stderr } = spawnSync('cp', ['-r', '--reflink=never', objects, copy], { encoding: 'utf8' })
  if (status !== 0) throw new SluiceError('SLUICE_IO', `cp -r ${objects} ${copy} failed: ${stderr}`)
}

async function work(): Promise<Steps> {
  const sizes = [...objectSizes(objects)]
  const marks = [cpuSeconds()]
  await readLayers()
  marks.push(cpuSeconds())
  hashObjects(sizes)
  marks.push(cpuSeconds())
  copyObjects()
  marks.push(cpuSeconds())
  const [layers, blocks, write] = marks.slice(1).map((mark, i) => mark - marks[i])
  return { layers, blocks, write }
}

async function workBeside(count: number): Promise<Steps> {
  const program = fileURLToPath(import.meta.url)
  const runs = Array.from({ length: count }, async (_, i) => {
    const args = ['1', layout, manifestDigest, algorithm, objects, `${copy}-${i}`]
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args])
    return JSON.parse(stdout) as Steps
  })
  const all = await Promise.all(runs)
  const mean = (step: keyof Steps) => all.reduce((sum, steps) => sum + steps[step], 0) / count
  return { layers: mean('layers'), blocks: mean('blocks'), write: mean('write') }
}

const steps = await (Number(beside) > 1 ? workBeside(Number(beside)) : work())
process.stdout.write(`${JSON.stringify(steps)}\n`)
