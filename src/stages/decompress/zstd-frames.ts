/** The frames of zstd input, walked here, so that a clean end, truncation and junk are told apart whatever decodes them. */
import { FRAME_MAGIC, isSkippableMagic } from '../../formats/zstd/frame-header.js'
import type { CompressedReader } from './compressed-reader.js'

/** Calls `decodeFrame` behind the magic of each frame, passing over skippable ones; there must be one of either kind. */
export async function* walkFrames(
  reader: CompressedReader,
  decodeFrame: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (await reader.atEnd()) throw reader.error('there is no data, not even an empty frame')
  const word = Buffer.alloc(4)
  while (!(await reader.atEnd())) {
    const position = reader.position
    await reader.need(word)
    const magic = word.readUInt32LE(0)
    if (magic === FRAME_MAGIC) {
      yield* decodeFrame()
    } else if (isSkippableMagic(magic)) {
      await reader.need(word)
      if (!(await reader.skip(word.readUInt32LE(0)))) throw reader.cutShort()
    } else if (position === 0) {
      throw reader.error('the data does not begin with a frame')
    } else {
      throw reader.error(`there is junk after the last frame, at ${position}`)
    }
  }
}
