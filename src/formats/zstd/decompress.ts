/** Decompression of a small, untrusted zstd section in one piece, with a limit on what may come out. */
import { Decompress } from 'fzstd'
import { formatError, SluiceError } from '../../errors.js'
import { listFrames } from './frame.js'

/** No honest section needs a larger window; the decoder would allocate it (repository.md §4). */
const MAX_WINDOW = 8 * 1024 * 1024

/**
 * Decompresses all frames of `data`.
 *
 * @param limit most bytes to accept.
 * @throws SluiceError `SLUICE_FORMAT` if there is no frame, a frame is damaged or cut, something else follows, or the output exceeds `limit`.
 */
export function decompressSection(data: Uint8Array, limit: number): Buffer {
  const frames = listFrames(data)
  if (frames.length === 0) throw formatError('zstd', 'the section is empty: not even a frame')
  const pieces: Uint8Array[] = []
  let total = 0
  for (const frame of frames) {
    if (frame.skippable) continue
    if (frame.windowSize > MAX_WINDOW || (frame.contentSize ?? 0) > limit) {
      throw formatError('zstd', `the frame at ${frame.start} wants too much memory`)
    }
    const start = total
    const decoder = new Decompress((piece) => {
      total += piece.length
      if (total > limit) throw formatError('zstd', `more than ${limit} bytes after decompression`)
      pieces.push(piece.slice())
    })
    try {
      decoder.push(data.subarray(frame.start, frame.end), true)
    } catch (error) {
      if (error instanceof SluiceError) throw error
      throw formatError('zstd', `the frame at ${frame.start} is damaged`, { cause: error })
    }
    if (frame.contentSize !== undefined && total - start !== frame.contentSize) {
      throw formatError('zstd', `the frame at ${frame.start} does not have the size it states`)
    }
  }
  return Buffer.concat(pieces, total)
}
