/** zstd frames that hold any bytes as they are, so that damage to what is inside survives. */

const BLOCK = 100_000

/** A frame of raw blocks, without a checksum. */
export function rawFrame(bytes: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [Buffer.from('28b52ffd0058', 'hex')]
  for (let at = 0; at === 0 || at < bytes.length; at += BLOCK) {
    const block = bytes.subarray(at, at + BLOCK)
    const header = Buffer.alloc(3)
    header.writeUIntLE((block.length << 3) | (at + BLOCK >= bytes.length ? 1 : 0), 0, 3)
    pieces.push(header, block)
  }
  return Buffer.concat(pieces)
}
