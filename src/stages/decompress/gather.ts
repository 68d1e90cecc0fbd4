/** Joins small chunks: a decoder in C does more with each call. */

/**
 * Chunks of at least `least` bytes, but for the last one. A chunk that is large enough is passed on as it is.
 *
 * With chunks of 16 KiB, which is what TLS delivers, libisal gives 300 MB per CPU second, and libzstd 305, against 380
 * and 450 with 64 KiB.
 */
export async function* gather(source: AsyncIterable<Uint8Array>, least: number): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    pieces.push(piece)
    length += piece.length
    if (length < least) continue
    yield join(pieces, length)
    pieces = []
    length = 0
  }
  if (length > 0) yield join(pieces, length)
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = pieces
  return first.length === length ? first : Buffer.concat(pieces, length)
}
