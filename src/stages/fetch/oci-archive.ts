/**
 * The files of an `oci-archive:`, a layout in a tar.
 *
 * The tar is walked once for the positions of its entries, and blobs are read from there. A compressed archive is first
 * decompressed to a temporary file that has no name, never to memory: an image is larger than that.
 */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { extract, type Extract } from 'tar-stream'
import { cancelled, formatError, ioError, SluiceError, withContext } from '../../errors.js'
import type { Compression } from '../../formats/oci/media-types.js'
import { BLOCK_SIZE, paddingOf } from '../../formats/tar/format.js'
import { decompress } from '../decompress/decompress.js'
import { readExtent, type LayoutFiles } from './layout-files.js'

/** More entries than any layout has; bounds the table of positions. */
const MAX_ENTRIES = 500_000

interface Extent {
  readonly start: number
  readonly size: number
}

/** Opens an archive and finds its entries. */
export async function openArchiveFiles(path: string, signal: AbortSignal): Promise<LayoutFiles> {
  const compressed = await openFile(path)
  const handle = await uncompressed(compressed, path, signal)
  try {
    const entries = await indexEntries(handle, path, signal)
    return {
      open(name) {
        const extent = entries.get(name)
        return Promise.resolve(
          extent && {
            size: extent.size,
            read: (...options) => readExtent(handle, extent.start, extent.size, path, ...options),
            close: () => Promise.resolve(),
          },
        )
      },
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openFile(path: string): Promise<FileHandle> {
  // Opening a pipe would wait for somebody to write to it, for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw ioError(error, path)
  })
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw formatError(path, 'not a regular file', { hint: 'an archive is not read in its order: save it first' })
}

/** The archive itself, or what it decompresses to; takes over the handle. */
async function uncompressed(handle: FileHandle, path: string, signal: AbortSignal): Promise<FileHandle> {
  let unpacked: FileHandle | undefined
  try {
    const compression = await detectCompression(handle, path)
    if (compression === 'none') return handle
    unpacked = await openUnnamedFile()
    const { size } = await handle.stat()
    for await (const chunk of decompress(readExtent(handle, 0, size, path, signal), compression, { signal })) {
      await writeAll(unpacked, chunk)
    }
    await handle.close()
    return unpacked
  } catch (error) {
    await handle.close()
    await unpacked?.close()
    throw withContext(error, `cannot unpack ${path}`)
  }
}

const otherMagics: readonly (readonly [string, string])[] = [
  ['fd377a585a00', 'xz'],
  ['425a68', 'bzip2'],
]

async function detectCompression(handle: FileHandle, path: string): Promise<Compression> {
  const start = Buffer.alloc(6)
  await handle.read(start, 0, start.length, 0)
  const magic = start.toString('hex')
  if (magic.startsWith('1f8b')) return 'gzip'
  // A zstd frame, or a skippable one before it.
  if (magic.startsWith('28b52ffd') || /^5.2a4d18/.test(magic)) return 'zstd'
  const other = otherMagics.find(([prefix]) => magic.startsWith(prefix))
  if (other !== undefined) {
    throw new SluiceError('SLUICE_UNSUPPORTED', `${path} is compressed with ${other[1]}`, {
      hint: 'unpack it, or compress it with gzip or zstd',
    })
  }
  return 'none'
}

async function openUnnamedFile(): Promise<FileHandle> {
  const name = join(tmpdir(), `sluice-archive-${randomUUID()}`)
  const handle = await open(name, 'wx+', 0o600).catch((error: unknown) => {
    throw ioError(error, 'cannot make a temporary file', 'set TMPDIR to a folder that can be written')
  })
  await unlink(name)
  return handle
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten
  }
}

/** Until the stream takes more, or is closed. */
function drained(stream: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}

/** V7 headers have no magic, but a checksum as all others. The types of tar-stream do not know this option. */
const extractOptions: object = { allowUnknownFormat: true }

/** The positions of the regular files; a later entry of a name replaces an earlier one, as when unpacking. */
async function indexEntries(handle: FileHandle, path: string, signal: AbortSignal): Promise<Map<string, Extent>> {
  const entries = new Map<string, Extent>()
  const tar = extract(extractOptions)
  const { size: end } = await handle.stat()
  const feed = async (): Promise<void> => {
    for await (const chunk of readExtent(handle, 0, end, path, signal)) {
      if (tar.destroyed) return
      if (!tar.write(chunk)) await drained(tar)
    }
    tar.end(undefined)
  }
  const feeding = feed().catch((error: unknown) =>
    tar.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  /** Where the last entry ends. */
  let next = 0
  try {
    for await (const entry of tar) {
      // tar-stream goes on behind the end of the archive; nobody else takes what is there for a part of it.
      if (await isEndMarker(handle, next)) break
      const { name, type, size, linkname } = entry.header
      const key = posix.normalize(name)
      // tar-stream says where the content begins; its types do not.
      const { byteOffset } = entry.header as unknown as { byteOffset: number }
      // tar-stream gives `null` for a base-256 number that it cannot read, and then waits for ever.
      if (!Number.isSafeInteger(size) || size < 0 || byteOffset + size > end) {
        throw formatError(path, `not a tar archive: an entry of ${size} bytes at byte ${byteOffset}`)
      }
      const target = linkname == null ? undefined : entries.get(posix.normalize(linkname))
      if (type === 'file' || type === 'contiguous-file') entries.set(key, { start: byteOffset, size })
      else if (type === 'link' && target !== undefined) entries.set(key, target)
      if (entries.size > MAX_ENTRIES) throw formatError(path, `more than ${MAX_ENTRIES} entries in the archive`)
      next = byteOffset + (type === 'directory' ? 0 : size + paddingOf(size))
      entry.resume()
    }
  } catch (error) {
    if (signal.aborted) throw cancelled(signal)
    // Behind the end there may be something else.
    if (await isEndMarker(handle, next)) return entries
    throw error instanceof SluiceError ? error : formatError(path, `not a tar archive: ${messageOf(error)}`)
  } finally {
    tar.destroy(new Error('not read to its end'))
    await feeding
  }
  return entries
}

/** Whether two blocks of zeros are there. */
async function isEndMarker(handle: FileHandle, position: number): Promise<boolean> {
  const blocks = Buffer.alloc(2 * BLOCK_SIZE)
  const { bytesRead } = await handle.read(blocks, 0, blocks.length, position)
  return bytesRead === blocks.length && blocks.every((byte) => byte === 0)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
