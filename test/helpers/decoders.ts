/** Decoders run side by side. */
import { SluiceError } from '../../src/errors.js'
import { Xxh64 } from '../../src/formats/zstd/xxh64.js'
import { readAll } from './registry-client.js'

export type Decoder = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** What came out, or the error, which has to be one of compression. */
export async function verdict(decoder: Decoder, source: AsyncIterable<Uint8Array>): Promise<Buffer | SluiceError> {
  try {
    return await readAll(decoder(source))
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SLUICE_COMPRESSION') return error
    throw error
  }
}

/** Adds the checksum that the bundled encoder leaves out to a frame of it. */
export function withChecksum(frame: Uint8Array, content: Uint8Array): Buffer {
  const checksum = Buffer.alloc(4)
  const hash = new Xxh64()
  hash.update(content)
  checksum.writeUInt32LE(hash.digest32())
  const result = Buffer.concat([frame, checksum])
  result[4] |= 4
  return result
}
