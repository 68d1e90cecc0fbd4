/** The files of an OCI layout, wherever they are: in a directory or inside an archive. */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { cancelled, errnoOf, formatError, ioError } from '../../errors.js'
import { MAX_DOCUMENT_BYTES } from '../../formats/oci/json-fields.js'
import type { OutputMemory } from '../decompress/output-memory.js'
import { collect } from './verify-blob.js'

/** Bytes read at a time. */
const READ_BYTES = 512 * 1024

export interface LayoutFile {
  readonly size: number
  /** The content; may be iterated once. With `memory`, chunks are good until the next one is asked for. */
  read(signal: AbortSignal, memory?: OutputMemory): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export interface LayoutFiles {
  /** The file of this path relative to the layout, or undefined if there is none. */
  open(name: string): Promise<LayoutFile | undefined>
  close(): Promise<void>
}

/** A document of a layout in one piece; closes the file. @throws SluiceError `SLUICE_FORMAT` if it is too long for one. */
export async function readDocument(file: LayoutFile, where: string, signal: AbortSignal): Promise<Buffer> {
  try {
    if (file.size <= MAX_DOCUMENT_BYTES) return await collect(file.read(signal))
    throw formatError(where, `${file.size} bytes are more than ${MAX_DOCUMENT_BYTES}`)
  } finally {
    await file.close()
  }
}

/** A layout in a directory. */
export function directoryLayoutFiles(directory: string): LayoutFiles {
  return {
    async open(name) {
      const path = join(directory, name)
      try {
        return await openFile(path)
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
        throw ioError(error, path)
      }
    },
    close: () => Promise.resolve(),
  }
}

async function openFile(path: string): Promise<LayoutFile> {
  // Opening a pipe would wait for somebody to write to it, for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw formatError(path, 'not a regular file')
    const { size } = stats
    const read: LayoutFile['read'] = (...options) => readExtent(handle, 0, size, path, ...options)
    return { size, read, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** `size` bytes of a file from `start`, in `memory` or new buffers; fewer if the file ends before. */
export async function* readExtent(
  handle: FileHandle,
  start: number,
  size: number,
  path: string,
  signal: AbortSignal,
  memory?: OutputMemory,
): AsyncGenerator<Uint8Array> {
  const end = start + size
  for (let at = start; at < end;) {
    if (signal.aborted) throw cancelled(signal)
    const room = await memory?.take()
    try {
      const buffer = room?.bytes ?? Buffer.allocUnsafe(Math.min(READ_BYTES, end - at))
      const { bytesRead } = await handle
        .read(buffer, 0, Math.min(buffer.length, end - at), at)
        .catch((error: unknown) => {
          throw ioError(error, `cannot read ${path}`)
        })
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    } finally {
      if (room !== undefined) memory!.give(room)
    }
  }
}
