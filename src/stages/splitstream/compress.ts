/**
 * The one encoder of splitstream sections: libzstd as bundled with @mongodb-js/zstd, level 3 (design.md §9.12).
 *
 * It runs in the thread pool of Node, and its bytes do not depend on the host.
 */
import type * as Zstd from '@mongodb-js/zstd'
import { EMPTY_FRAME } from '../../formats/splitstream/format.js'
import { FRAME_INPUT } from '../../formats/splitstream/chunks.js'
import { requirePrebuilt } from '../../native/prebuilt.js'

const LEVEL = 3

/** Loaded when it is needed first. */
let encoder: typeof Zstd | undefined

/** @param raw at most `FRAME_INPUT` bytes. */
export async function compressFrame(raw: Buffer): Promise<Buffer> {
  encoder ??= requirePrebuilt('@mongodb-js/zstd') as typeof Zstd
  return encoder.compress(raw, LEVEL)
}

/** A section given whole; an empty one is an empty frame, never zero bytes. */
export async function compressSection(raw: Buffer): Promise<Buffer> {
  const frames: Buffer[] = []
  for (let at = 0; at < raw.length; at += FRAME_INPUT)
    frames.push(await compressFrame(raw.subarray(at, at + FRAME_INPUT)))
  return frames.length === 0 ? Buffer.from(EMPTY_FRAME) : Buffer.concat(frames)
}

/** A frame that holds just one chunk word, uncompressed: its length does not depend on the value. */
export function rawWordFrame(value: bigint): Buffer {
  const frame = Buffer.from('28b52ffd2008410000' + '00'.repeat(8), 'hex')
  frame.writeBigInt64LE(value, frame.length - 8)
  return frame
}
