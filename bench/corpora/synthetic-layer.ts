/** A layer of any size for the memory bench: always as many files, so that only the bytes grow. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { storeLayer, type BuiltLayer } from '../support/build-layout.js'

const FILES = 1024
const BLOCK_BYTES = 4096
const PIECE_BYTES = 256 * BLOCK_BYTES
const MADE_AT = new Date(1_704_067_200_000)

/** Numbers that no encoder makes smaller: xorshift32, always from the same seed. */
class Noise {
  #state = 0x9e37_79b9

  writeTo(words: Int32Array): void {
    let state = this.#state
    for (let at = 0; at < words.length; at++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      words[at] = state
    }
    this.#state = state
  }
}

/** One half of each block is noise, the other zeros. */
function* content(noise: Noise, size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= PIECE_BYTES) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, left))
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      noise.writeTo(new Int32Array(piece.buffer, piece.byteOffset + at, BLOCK_BYTES / 2 / Int32Array.BYTES_PER_ELEMENT))
    }
    yield piece
  }
}

/** @param size bytes of all files, of which a quarter is in one; a multiple of 16 KiB. */
export async function syntheticLayer(layout: string, size: number): Promise<BuiltLayer> {
  const tar = pack()
  const stored = storeLayer(layout, tar, 1)
  const large = size / 4
  const small = Math.ceil((size - large) / (FILES - 1) / BLOCK_BYTES) * BLOCK_BYTES
  const noise = new Noise()
  tar.entry({ name: 'usr/', type: 'directory', mode: 0o755, mtime: MADE_AT })
  for (let file = 0; file < FILES; file++) {
    const bytes = file === 0 ? large : small
    const entry = tar.entry({ name: `usr/file-${file}`, size: bytes, mode: 0o644, mtime: MADE_AT })
    await pipeline(Readable.from(content(noise, bytes)), entry)
  }
  tar.finalize()
  return { ...(await stored), entries: FILES + 1 }
}
