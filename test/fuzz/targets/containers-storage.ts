/** What a containers-storage holds beside the files: records, tar-split, and the streams that carry layers. */
import assert from 'node:assert/strict'
import { layerPath } from '../../../src/formats/cstor/layer-path.js'
import { matchImage } from '../../../src/formats/cstor/match-image.js'
import { parseImageRecords, parseLayerRecords } from '../../../src/formats/cstor/records.js'
import { SplitDirReader, splitDirChunkToBytes } from '../../../src/formats/cstor/splitdirfdstream.js'
import { SplitFdReader, splitFdChunkToBytes } from '../../../src/formats/cstor/splitfdstream.js'
import { TarSplitReader } from '../../../src/formats/cstor/tar-split.js'
import { readSeeds } from '../corpus.js'
import { mutateJson } from '../mutate-json.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

/** Gives the input in two pieces: a decoder must not care. */
function pieces(input: Buffer, random: Random): Buffer[] {
  const cut = random.length(input.length)
  return [input.subarray(0, cut), input.subarray(cut)]
}

function runTarSplit(input: Buffer, random: Random): void {
  const reader = new TarSplitReader()
  const entries = pieces(input, random).flatMap((piece) => reader.push(piece))
  for (const entry of [...entries, ...reader.finish()]) {
    if (entry.type === 'segment') continue
    assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0)
    const path = layerPath(entry.name)
    assert.ok(path === undefined || !`/${path}/`.includes('/../'), 'a path stays in the layer')
    assert.ok(path?.startsWith('/') !== true)
  }
}

function runRecords(input: Buffer, random: Random): void {
  const images = parseImageRecords(input, 'images.json')
  const name = random.pick(['a:t', 'a', 'team/app:1', 'bbbb', `sha256:${'b'.repeat(64)}`])
  const found = matchImage(name, [images])
  if (found !== undefined) assert.ok(images.includes(found.image))
  for (const { diffSize } of parseLayerRecords(input, 'layers.json')) assert.ok(diffSize === undefined || diffSize > 0)
}

function runSplitDir(input: Buffer, random: Random): void {
  const reader = new SplitDirReader(3)
  const chunks = pieces(input, random).flatMap((piece) => reader.push(piece))
  reader.finish()
  const written = Buffer.concat(chunks.map(splitDirChunkToBytes))
  assert.deepEqual(
    new SplitDirReader(3).push(written),
    chunks.filter((chunk) => !isNothing(chunk)),
  )
}

function runSplitFd(input: Buffer, random: Random): void {
  const reader = new SplitFdReader()
  const chunks = pieces(input, random).flatMap((piece) => reader.push(piece))
  reader.finish()
  assert.deepEqual(Buffer.concat(chunks.map(splitFdChunkToBytes)), input, 'a stream that is written again is the same')
}

const isNothing = (chunk: { readonly type: string; readonly bytes?: Buffer }): boolean =>
  chunk.type === 'metadata' && chunk.bytes?.length === 0

const jsonOf = (seeds: readonly Buffer[]) => (random: Random) => {
  const seed = random.pick(seeds)
  return mutateJson(seed, random) ?? seed
}

const tarSplitSeeds = readSeeds('tar-split', ['cstor/tarsplit'], /tar-split\.gz$/)
const recordSeeds = readSeeds('storage-records')

export const storageTargets: readonly Target[] = [
  { name: 'tar-split', weight: 2, limit: 64 * 1024, seeds: tarSplitSeeds, run: runTarSplit },
  {
    name: 'storage-records',
    weight: 1,
    limit: 64 * 1024,
    seeds: recordSeeds,
    generate: jsonOf(recordSeeds),
    run: runRecords,
  },
  { name: 'splitdirfdstream', weight: 1, limit: 4096, seeds: readSeeds('splitdirfdstream'), run: runSplitDir },
  { name: 'splitfdstream', weight: 1, limit: 4096, seeds: readSeeds('splitfdstream'), run: runSplitFd },
]
