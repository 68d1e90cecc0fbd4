/** Tar and splitstream: what the front of a layer does. */
import { ChunkDecoder, ChunkEncoder } from '../../src/formats/splitstream/chunks.js'
import { TarScanner } from '../../src/formats/tar/scan.js'
import { paddingOf } from '../../src/formats/tar/format.js'
import { TarSplitter, type TarSink } from '../../src/formats/tar/split.js'
import { compressFrame } from '../../src/stages/splitstream/compress.js'
import type { MicroBenchEntry } from './harness.js'
import { piecesOf, sampleTar } from './sample-tar.js'

const CHUNK = 256 * 1024

const nowhere: TarSink = {
  inline: () => undefined,
  beginObject: () => undefined,
  objectData: () => undefined,
  endObject: () => undefined,
}

function scan(tar: Buffer): number {
  const scanner = new TarScanner()
  let entries = 0
  for (const piece of piecesOf(tar, CHUNK)) {
    for (let at = 0; at < piece.length;) {
      at = scanner.scan(piece, at)
      if (scanner.entry === undefined) continue
      entries++
      scanner.skip(scanner.entry.size + paddingOf(scanner.entry.size))
    }
  }
  return entries
}

function split(tar: Buffer, sink: TarSink): void {
  const splitter = new TarSplitter(sink)
  for (const piece of piecesOf(tar, CHUNK)) splitter.push(piece)
  splitter.end()
}

/** What a splitstream keeps of a tar: inline runs, and -1 for each object. */
function partsOf(tar: Buffer): (Buffer | -1)[] {
  const parts: (Buffer | -1)[] = []
  split(tar, { ...nowhere, inline: (bytes) => parts.push(Buffer.from(bytes)), beginObject: () => parts.push(-1) })
  return parts
}

function encode(parts: readonly (Buffer | -1)[]): Buffer[] {
  const frames: Buffer[] = []
  const encoder = new ChunkEncoder({
    frame: (raw) => frames.push(raw),
    reserveWord: () => undefined,
    fillWord: () => undefined,
  })
  let objects = 0
  for (const part of parts) {
    if (part === -1) encoder.external(objects++)
    else encoder.inline(part)
  }
  encoder.end()
  return frames
}

/** Of a tar of small files: what is inline is some three quarters of what its files hold. */
async function manyParts(contentBytes: number): Promise<{ parts: (Buffer | -1)[]; bytes: number; objects: number }> {
  const parts = partsOf(await sampleTar({ contentBytes, largestFile: 4096 }))
  const bytes = parts.reduce((sum: number, part) => sum + (part === -1 ? 8 : part.length), 0)
  return { parts, bytes, objects: parts.filter((part) => part === -1).length }
}

/** @param sample a tar of files of all sizes, `sampleBytes` in all. */
export function tarBenches(sample: () => Promise<Buffer>, sampleBytes: number): MicroBenchEntry[] {
  return [
    {
      name: 'tar scan',
      open: async () => {
        const tar = await sample()
        return { items: scan(tar), run: () => scan(tar) }
      },
    },
    {
      name: 'tar split',
      open: async () => {
        const tar = await sample()
        return { items: scan(tar), run: () => split(tar, nowhere) }
      },
    },
    {
      name: 'splitstream encode',
      open: async () => {
        const { parts, bytes } = await manyParts(sampleBytes)
        return { bytes, run: () => encode(parts) }
      },
    },
    {
      name: 'splitstream decode',
      open: async () => {
        const { parts, bytes, objects } = await manyParts(sampleBytes)
        const frames = encode(parts)
        const sink = { inline: () => undefined, external: () => undefined }
        const run = () => {
          const decoder = new ChunkDecoder(objects, sink)
          for (const frame of frames) decoder.push(frame)
          decoder.end()
        }
        return { bytes, run }
      },
    },
    {
      name: 'splitstream compress frame',
      open: async () => {
        const [frame] = encode((await manyParts(sampleBytes)).parts)
        return { bytes: frame.length, run: () => compressFrame(frame) }
      },
    },
  ]
}
