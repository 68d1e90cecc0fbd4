/** splitfdstream: literal bytes and whole files of an array of descriptors, in turn (containers-storage.md §6.2). */
import { formatError } from '../../errors.js'
import { ChunkInput } from './chunk-input.js'

export type SplitFdChunk =
  | { readonly type: 'inline'; readonly bytes: Buffer }
  /** The whole content of the file with number `index + 1` in the array: number 0 is the stream itself. */
  | { readonly type: 'external'; readonly index: number }

const MAX_INLINE = 256n * 1024n * 1024n
const MAX_INDEX = 0xffffffff
const PREFIX = 8

export class SplitFdReader {
  readonly #input = new ChunkInput()

  /** The chunks that are complete with `bytes`, whose memory they may share. */
  push(bytes: Buffer): SplitFdChunk[] {
    this.#input.push(bytes)
    const chunks: SplitFdChunk[] = []
    for (let chunk = this.#next(); chunk !== undefined; chunk = this.#next()) chunks.push(chunk)
    return chunks
  }

  /** @throws SluiceError `SLUICE_FORMAT` if the stream ends within a chunk. */
  finish(): void {
    if (this.#input.length > 0) throw this.#error('truncated')
  }

  #next(): SplitFdChunk | undefined {
    const prefix = this.#input.peek(PREFIX)?.readBigInt64LE()
    if (prefix === undefined) return undefined
    if (prefix >= 0n) {
      if (prefix > MAX_INDEX) throw this.#error(`external index ${prefix} over ${MAX_INDEX}`)
      this.#input.skip(PREFIX)
      return { type: 'external', index: Number(prefix) }
    }
    // In 64 bits the lowest number has no positive counterpart; a BigInt has.
    if (-prefix > MAX_INLINE) throw this.#error(`inline chunk of ${-prefix} bytes is too large, over ${MAX_INLINE}`)
    const chunk = this.#input.peek(PREFIX + Number(-prefix))
    if (chunk === undefined) return undefined
    this.#input.skip(chunk.length)
    return { type: 'inline', bytes: chunk.subarray(PREFIX) }
  }

  #error(message: string): Error {
    return formatError('splitfdstream', `${message}, at ${this.#input.position}`)
  }
}

/** A chunk as it is written; no bytes are nothing, as their prefix would mean a file. */
export function splitFdChunkToBytes(chunk: SplitFdChunk): Buffer {
  const prefix = Buffer.alloc(PREFIX)
  if (chunk.type === 'external') {
    const { index } = chunk
    // A number below 0 would be read as bytes.
    if (!Number.isInteger(index) || index < 0 || index > MAX_INDEX) {
      throw formatError('splitfdstream', `external index ${index} is not one from 0 to ${MAX_INDEX}`)
    }
    prefix.writeBigInt64LE(BigInt(index))
    return prefix
  }
  if (chunk.bytes.length === 0) return Buffer.alloc(0)
  if (chunk.bytes.length > MAX_INLINE) throw formatError('splitfdstream', 'a chunk is too large')
  prefix.writeBigInt64LE(-BigInt(chunk.bytes.length))
  return Buffer.concat([prefix, chunk.bytes])
}
