/** Reads what a splitstream holds: its chunks in order, or the merged bytes (repository.md §3.5, §4). */
import { fstatSync, readSync } from 'node:fs'
import { cancelled, formatError } from '../../errors.js'
import type { ObjectId } from '../../formats/digest.js'
import { ChunkDecoder } from '../../formats/splitstream/chunks.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { OpenStream, Repository } from '../../repository/repository.js'
import { decompress } from '../decompress/decompress.js'

const READ_SIZE = 256 * 1024

/** The compressed section of the file, in pieces. */
async function* section(stream: OpenStream, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const { start, end } = stream.stream
  if (start === end) throw formatError('splitstream', 'the stream section is empty: not even a frame')
  for (let at = start; at < end;) {
    if (signal?.aborted === true) throw cancelled(signal)
    const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, end - at))
    const count = stream.readAt(buffer, at)
    if (count === 0) throw formatError('splitstream', 'the file is shorter than its stream section')
    at += count
    yield buffer.subarray(0, count)
  }
}

/** A piece of an inline run, or the number of an object in the table of the stream. */
export type StreamPart = Uint8Array | number

/**
 * What `stream` holds, in order, a batch for each piece that was decompressed.
 *
 * @throws SluiceError `SLUICE_FORMAT` or `SLUICE_COMPRESSION`; what precedes the fault has been given out by then.
 */
export async function* streamParts(stream: OpenStream, signal?: AbortSignal): AsyncGenerator<StreamPart[]> {
  let parts: StreamPart[] = []
  const decoder = new ChunkDecoder(stream.objectRefs.length, {
    inline: (bytes) => parts.push(bytes),
    external: (index) => parts.push(index),
  })
  const options = signal === undefined ? {} : { signal }
  for await (const piece of decompress(section(stream, signal), 'zstd', options)) {
    try {
      decoder.push(piece)
    } finally {
      const batch = parts
      parts = []
      yield batch
    }
  }
  decoder.end()
}

/** The merged bytes of `stream`: inline runs and the contents of its objects. */
export async function* mergeStream(
  repository: Repository,
  stream: OpenStream,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const parts of streamParts(stream, signal)) {
    for (const part of parts) {
      if (typeof part === 'number') yield* readObject(repository, stream.objectRefs.at(part), signal)
      else yield part
    }
  }
}

/** The content of an object, in pieces. */
export function* readObject(repository: Repository, id: ObjectId, signal?: AbortSignal): Generator<Uint8Array> {
  const fd = repository.objects.open(id)
  try {
    const { size } = fstatSync(fd)
    for (let at = 0; at < size;) {
      if (signal?.aborted === true) throw cancelled(signal)
      const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, size - at))
      const count = readSync(fd, buffer, 0, buffer.length, at)
      if (count === 0) return
      at += count
      yield buffer.subarray(0, count)
    }
  } finally {
    closeQuietly(fd)
  }
}
