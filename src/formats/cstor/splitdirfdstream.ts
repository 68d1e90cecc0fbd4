/**
 * splitdirfdstream: a byte stream that, with an array of directory descriptors, gives another byte stream
 * (containers-storage.md §6.1). It ends at the border of any chunk, so only a digest tells whether it is whole.
 */
import { formatError } from '../../errors.js'
import type { ByteString } from '../bytes.js'
import { ChunkInput } from './chunk-input.js'

export type SplitDirChunk =
  /** Bytes of the result that belong to no file. */
  | { readonly type: 'metadata'; readonly bytes: Buffer }
  /** The whole data of a file. */
  | { readonly type: 'inline'; readonly bytes: Buffer }
  | SplitDirFile

/** The first `length` bytes of the file `name` below a directory of the array. */
export interface SplitDirFile {
  readonly type: 'file'
  readonly length: number
  readonly directory: number
  readonly name: ByteString
}

/** Of metadata and of inline data. */
const MAX_CHUNK_BYTES = 256 * 1024 * 1024
const MAX_NAME = 4096
const MAX_DIRECTORY = 0xffffffff

const kinds = ['metadata', 'inline', 'file'] as const
const BYTES_HEADER = 5
const FILE_HEADER = 17

export class SplitDirReader {
  readonly #input = new ChunkInput()
  readonly #directories: number

  /** @param directories how many descriptors came with the stream. */
  constructor(directories: number) {
    this.#directories = directories
  }

  /** The chunks that are complete with `bytes`, whose memory they may share. */
  push(bytes: Buffer): SplitDirChunk[] {
    this.#input.push(bytes)
    const chunks: SplitDirChunk[] = []
    for (let chunk = this.#next(); chunk !== undefined; chunk = this.#next()) chunks.push(chunk)
    return chunks
  }

  /** @throws SluiceError `SLUICE_FORMAT` if the stream ends within a chunk. */
  finish(): void {
    if (this.#input.length > 0) throw this.#error('truncated')
  }

  #next(): SplitDirChunk | undefined {
    const first = this.#input.peek(1)
    if (first === undefined) return undefined
    const type = kinds[first[0]]
    if (type === undefined) throw this.#error(`unknown chunk type 0x${first.toString('hex')}`)
    return type === 'file' ? this.#file() : this.#bytes(type)
  }

  #bytes(type: 'metadata' | 'inline'): SplitDirChunk | undefined {
    const header = this.#input.peek(BYTES_HEADER)
    if (header === undefined) return undefined
    const length = header.readUInt32LE(1)
    if (length > MAX_CHUNK_BYTES) throw this.#error(`${type} of ${length} bytes is too large (max ${MAX_CHUNK_BYTES})`)
    const chunk = this.#input.peek(BYTES_HEADER + length)
    if (chunk === undefined) return undefined
    this.#input.skip(chunk.length)
    return { type, bytes: chunk.subarray(BYTES_HEADER) }
  }

  #file(): SplitDirChunk | undefined {
    const header = this.#input.peek(FILE_HEADER)
    if (header === undefined) return undefined
    const length = header.readBigUInt64LE(1)
    const directory = header.readUInt32LE(9)
    const nameLength = header.readUInt32LE(13)
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#error(`a file of ${length} bytes`)
    if (directory >= this.#directories) throw this.#error(`dirfd index ${directory} out of range`)
    if (nameLength > MAX_NAME) throw this.#error(`file name too long (${nameLength} > ${MAX_NAME})`)
    const chunk = this.#input.peek(FILE_HEADER + nameLength)
    if (chunk === undefined) return undefined
    const name = chunk.toString('latin1', FILE_HEADER)
    const fault = nameFault(name)
    if (fault !== undefined) throw this.#error(fault)
    this.#input.skip(chunk.length)
    return { type: 'file', length: Number(length), directory, name }
  }

  #error(message: string): Error {
    return formatError('splitdirfdstream', `${message}, at ${this.#input.position}`)
  }
}

/** What makes a name unfit, or undefined. */
function nameFault(name: ByteString): string | undefined {
  if (name === '') return 'empty name'
  if (name.includes('\0')) return 'NUL in name'
  if (name.startsWith('/')) return 'absolute path as a name'
  return name.split('/').includes('..') ? '`..` component in name' : undefined
}

/** What makes the numbers of a file unfit to be written, or undefined. */
function numberFault({ length, directory }: SplitDirFile): string | undefined {
  if (!Number.isSafeInteger(length) || length < 0) return `a file of ${length} bytes`
  const isIndex = Number.isInteger(directory) && directory >= 0 && directory <= MAX_DIRECTORY
  return isIndex ? undefined : `dirfd index ${directory} out of range`
}

/** A chunk as it is written; metadata without bytes is nothing. */
export function splitDirChunkToBytes(chunk: SplitDirChunk): Buffer {
  if (chunk.type === 'file') {
    const { length, directory, name } = chunk
    const fault = numberFault(chunk) ?? (name.length > MAX_NAME ? 'file name too long' : nameFault(name))
    if (fault !== undefined) throw formatError('splitdirfdstream', fault)
    const bytes = Buffer.alloc(FILE_HEADER + name.length)
    bytes[0] = kinds.indexOf(chunk.type)
    bytes.writeBigUInt64LE(BigInt(length), 1)
    bytes.writeUInt32LE(directory, 9)
    bytes.writeUInt32LE(name.length, 13)
    bytes.write(name, FILE_HEADER, 'latin1')
    return bytes
  }
  if (chunk.bytes.length > MAX_CHUNK_BYTES) throw formatError('splitdirfdstream', `${chunk.type} is too large`)
  if (chunk.type === 'metadata' && chunk.bytes.length === 0) return Buffer.alloc(0)
  const header = Buffer.alloc(BYTES_HEADER)
  header[0] = kinds.indexOf(chunk.type)
  header.writeUInt32LE(chunk.bytes.length, 1)
  return Buffer.concat([header, chunk.bytes])
}
