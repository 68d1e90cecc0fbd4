/** A layer of any size for the memory bench: always as many files, so that only the bytes grow. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { storeLayer, type BuiltLayer } from '../support/build-layout.js'

const FILES = 1024
const BLOCK_BYTES = 4096
const PIECE_BLOCKS = 256
const MADE_AT = new Date(1_704_067_200_000)

/** Half of each block is this, which no encoder makes smaller; the rest are zeros. */
const noise = pseudoRandom(BLOCK_BYTES / 2)

/** xorshift32, always from the same seed. */
function pseudoRandom(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 0x9e37_79b9
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes.writeInt32LE(state, at)
  }
  return bytes
}

/** No two blocks of a layer are the same, nor is one found again within the window of an encoder. */
function* content(file: number, size: number): Generator<Buffer> {
  for (let at = 0; at < size;) {
    const piece = Buffer.alloc(Math.min(PIECE_BLOCKS * BLOCK_BYTES, size - at))
    for (let block = 0; block + BLOCK_BYTES <= piece.length; block += BLOCK_BYTES) {
      const number = (at + block) / BLOCK_BYTES
      // The noise begins elsewhere in each of 512 blocks: 2 MiB of the layer.
      const turn = (number % 512) * 4
      piece.set(noise.subarray(turn), block)
      piece.set(noise.subarray(0, turn), block + noise.length - turn)
      piece.writeUInt32LE(file, block + noise.length)
      piece.writeUInt32LE(number, block + noise.length + 4)
    }
    yield piece
    at += piece.length
  }
}

/** @param size bytes of all files; a quarter of them are in one. */
export async function syntheticLayer(layout: string, size: number): Promise<BuiltLayer> {
  const tar = pack()
  const stored = storeLayer(layout, tar, 1)
  const large = size / 4
  const small = Math.ceil((size - large) / (FILES - 1) / BLOCK_BYTES) * BLOCK_BYTES
  tar.entry({ name: 'usr/', type: 'directory', mode: 0o755, mtime: MADE_AT })
  for (let file = 0; file < FILES; file++) {
    const bytes = file === 0 ? large : small
    const entry = tar.entry({ name: `usr/file-${file}`, size: bytes, mode: 0o644, mtime: MADE_AT })
    await pipeline(Readable.from(content(file, bytes)), entry)
  }
  tar.finalize()
  return { ...(await stored), entries: FILES + 1 }
}
