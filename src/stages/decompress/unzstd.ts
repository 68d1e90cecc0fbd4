/**
 * zstd in portable code: all frames of the input, skippable ones passed over, checksums verified.
 *
 * Written for hostile input, which the decoders at hand are not: fzstd 0.1.1 loops for ever on a Huffman tree whose
 * weights take no bits, copies the whole window for each block and ignores checksums; Node's own drops every frame after
 * the first. A block is at most 128 KiB, so memory is that of the window, which grows with what comes out.
 */
import {
  BLOCK_PADDING,
  FrameDecoder,
  makeFrameBuffers,
  MAX_BLOCK_BYTES,
  type FrameBuffers,
} from '../../formats/zstd/frame-decoder.js'
import { frameHeaderLength, parseFrameHeader } from '../../formats/zstd/frame-header.js'
import { CompressedReader } from './compressed-reader.js'
import { walkFrames } from './zstd-frames.js'

export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new CompressedReader(source, 'zstd')
  const input = Buffer.alloc(MAX_BLOCK_BYTES + BLOCK_PADDING)
  const buffers = makeFrameBuffers()
  try {
    yield* walkFrames(reader, () => decodeFrame(reader, input, buffers))
  } finally {
    await reader.close()
  }
}

async function* decodeFrame(
  reader: CompressedReader,
  input: Buffer,
  buffers: FrameBuffers,
): AsyncGenerator<Uint8Array> {
  const need = (length: number) => reader.need(input.subarray(0, length))
  await need(1)
  const headerLength = frameHeaderLength(input[0])
  await reader.need(input.subarray(1, headerLength))
  const header = parseFrameHeader(input.subarray(0, headerLength))
  const decoder = new FrameDecoder(header, buffers)
  for (let last = false; !last;) {
    await need(3)
    const block = decoder.parseBlockHeader(input)
    await need(block.length)
    const output = decoder.decodeBlock(block, input)
    if (output.length > 0) yield output
    last = block.last
  }
  if (header.checksum) await need(4)
  decoder.finish(input.readUInt32LE(0))
}
