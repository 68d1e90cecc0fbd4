/** Decoders of layers, in C and portable; rates are of what comes out. */
import { gzipSync } from 'node:zlib'
import { isalUsable } from '../../src/native/isal.js'
import { libzstdUsable } from '../../src/native/zstd.js'
import { gunzip } from '../../src/stages/decompress/gunzip.js'
import { nativeGunzip } from '../../src/stages/decompress/native-gunzip.js'
import { nativeUnzstd } from '../../src/stages/decompress/native-unzstd.js'
import { unzstd } from '../../src/stages/decompress/unzstd.js'
import { compressFrame } from '../../src/stages/splitstream/compress.js'
import type { MicroBench, MicroBenchEntry } from './harness.js'
import { once, piecesOf } from './sample-tar.js'

/** As a layout is read. */
const INPUT_CHUNK = 512 * 1024

type Decoder = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

async function* source(packed: Buffer): AsyncGenerator<Uint8Array> {
  yield* piecesOf(packed, INPUT_CHUNK)
}

function decoding(packed: Buffer, bytes: number, decoder: Decoder): MicroBench {
  const run = async () => {
    let size = 0
    for await (const chunk of decoder(source(packed))) size += chunk.length
    if (size !== bytes) throw new Error(`${size} bytes came out instead of ${bytes}`)
  }
  return { bytes, run }
}

/** @param sample a tar of files of all sizes. */
export function decoderBenches(sample: () => Promise<Buffer>): MicroBenchEntry[] {
  const gzipped = once(async () => gzipSync(await sample(), { level: 6 }))
  const zstandard = once(async () => compressFrame(await sample()))
  const gzip = async (decoder: Decoder) => decoding(await gzipped(), (await sample()).length, decoder)
  const zstd = async (decoder: Decoder) => decoding(await zstandard(), (await sample()).length, decoder)
  return [
    { name: 'gzip by libisal', open: () => (isalUsable() ? gzip(nativeGunzip) : undefined) },
    { name: 'gzip by node:zlib', open: () => gzip(gunzip) },
    { name: 'zstd by libzstd', open: () => (libzstdUsable() ? zstd(nativeUnzstd) : undefined) },
    { name: 'zstd portable', open: () => zstd(unzstd) },
  ]
}
