/**
 * zstd in portable code: all frames of the input, skippable ones passed over, checksums verified.
 *
 * Written for hostile input, which the decoders at hand are not: fzstd 0.1.1 loops for ever on a Huffman tree whose
 * weights take no bits, copies the whole window for each block and ignores checksums; Node's own drops every frame after
 * the first. A block is at most 128 KiB, so memory is that of the window, which grows with what comes out.
 */
import { ByteReader } from './byte-reader.js'
import { compressionError } from './compression-error.js'
import {
  BLOCK_PADDING,
  FrameDecoder,
  makeFrameBuffers,
  MAX_BLOCK_BYTES,
  type FrameBuffers,
} from '../../formats/zstd/frame-decoder.js'
import {
  FRAME_MAGIC,
  frameHeaderLength,
  isSkippableMagic,
  MAX_HEADER_BYTES,
  parseFrameHeader,
} from '../../formats/zstd/frame-header.js'

export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source)
  const input = Buffer.alloc(MAX_BLOCK_BYTES + BLOCK_PADDING)
  const buffers = makeFrameBuffers()
  try {
    if (await reader.atEnd()) throw compressionError('zstd', 'there is no data, not even an empty frame')
    while (!(await reader.atEnd())) {
      const start = reader.position
      await fill(reader, input, 4)
      const magic = input.readUInt32LE(0)
      if (magic === FRAME_MAGIC) yield* decodeFrame(reader, input, buffers)
      else if (isSkippableMagic(magic)) await skipFrame(reader, input)
      else if (start === 0) throw compressionError('zstd', 'the data does not begin with a frame')
      else throw compressionError('zstd', `there is junk after the last frame, at ${start}`)
    }
  } finally {
    await reader.close()
  }
}

async function* decodeFrame(reader: ByteReader, input: Buffer, buffers: FrameBuffers): AsyncGenerator<Uint8Array> {
  await fill(reader, input, 1)
  const headerLength = frameHeaderLength(input[0])
  await fill(reader, input.subarray(1, MAX_HEADER_BYTES), headerLength - 1)
  const header = parseFrameHeader(input.subarray(0, headerLength))
  const decoder = new FrameDecoder(header, buffers)
  for (let last = false; !last;) {
    await fill(reader, input, 3)
    const block = decoder.parseBlockHeader(input)
    await fill(reader, input, block.length)
    const output = decoder.decodeBlock(block, input)
    if (output.length > 0) yield output
    last = block.last
  }
  if (header.checksum) await fill(reader, input, 4)
  decoder.finish(input.readUInt32LE(0))
}

async function skipFrame(reader: ByteReader, input: Buffer): Promise<void> {
  await fill(reader, input, 4)
  if (!(await reader.skip(input.readUInt32LE(0)))) throw cutShort(reader)
}

async function fill(reader: ByteReader, target: Uint8Array, length: number): Promise<void> {
  if (!(await reader.fill(target, length))) throw cutShort(reader)
}

function cutShort(reader: ByteReader): Error {
  return compressionError('zstd', `the data is cut short after ${reader.position} bytes`)
}
