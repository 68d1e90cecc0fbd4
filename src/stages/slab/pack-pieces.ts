/**
 * The pieces of a layer from a containers-storage in slabs: bytes are copied, files are read by the workers.
 *
 * A file begins in a new slab if the open one has not room for all of it, and a file larger than a slab always does. So
 * one that becomes an object is in one slab, or in pieces of whole slabs, and nothing of it is carried over.
 */
import { openSync } from 'node:fs'
import { ioError } from '../../errors.js'
import { copyBytes } from '../../formats/bytes.js'
import { startedAhead, type Started } from '../../flow/iterate.js'
import { createCrc64 } from '../../native/crc64.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { WrittenFile } from '../../repository/objects.js'
import { removeQuietly } from '../../repository/remove-quietly.js'
import type { LayerPiece, OpenFile } from '../containers-storage/storage-image.js'
import type { FileSharer, SharedSource, SharingPolicy } from '../object/share-file.js'
import { ensureCrc, type FilePart } from './fill-from-files.js'
import { SLAB_BYTES, SLAB_HEADROOM, type Slab, type SlabFile, type SlabPool } from './slab-pool.js'
import type { SlabWorkers } from './slab-workers.js'

export interface PackOptions {
  readonly slabs: SlabPool
  readonly workers: Pick<SlabWorkers, 'fill'>
  /** For files that are larger than a slab. */
  readonly sharer: FileSharer
  readonly policy: SharingPolicy
  /** Whether to check what the storage says of the content of files. */
  readonly checkCrc: boolean
  readonly signal: AbortSignal
}

/** Slabs of a layer that are filled at the same time. */
const SLABS_AHEAD = 4
/** Files in a slab, all of which are open at the same time: in two layers, some 300. */
const MOST_FILES = 32

/** The consumer gives the slabs back; their files are its as well. */
export function packPieces(pieces: AsyncIterable<LayerPiece>, options: PackOptions): AsyncGenerator<Slab> {
  return startedAhead(packed(pieces, options), SLABS_AHEAD, (slab) => discard(slab, options.slabs))
}

function discard(slab: Slab, slabs: SlabPool): void {
  for (const { object } of slab.files) if ('path' in object) removeQuietly(object.path)
  slabs.give(slab)
}

async function* packed(pieces: AsyncIterable<LayerPiece>, options: PackOptions): AsyncGenerator<Started<Slab>> {
  let open: OpenSlab | undefined
  /** Nobody else closes it yet. */
  let held: OpenFile | undefined
  const take = async (): Promise<OpenSlab> => new OpenSlab(await options.slabs.take(options.signal), options)
  const full = (): Started<Slab> => {
    const slab = open!
    open = undefined
    return { result: slab.fill() }
  }
  try {
    for await (const { bytes, file } of pieces) {
      if (file === undefined) {
        for (let at = 0; at < bytes.length;) {
          open ??= await take()
          at += open.append(bytes.subarray(at))
          if (open.room === 0) yield full()
        }
        continue
      }
      held = file
      const isLarge = file.size > SLAB_BYTES
      if (open !== undefined && (isLarge || !open.hasRoomFor(file))) yield full()
      if (!isLarge) open ??= await take()
      held = undefined
      if (isLarge) yield* packLarge(file, options, take)
      else open!.appendFile(file)
    }
    if (open !== undefined) yield full()
  } finally {
    open?.discard()
    if (held !== undefined) closeQuietly(held.fd)
  }
}

class OpenSlab {
  readonly #slab: Slab
  readonly #options: PackOptions
  readonly #parts: FilePart[] = []
  readonly #files: SlabFile[] = []
  /** To be closed. */
  readonly #open: number[] = []

  constructor(slab: Slab, options: PackOptions) {
    this.#slab = slab
    this.#options = options
  }

  /** Bytes that can still be added. */
  get room(): number {
    return SLAB_BYTES - this.#slab.length
  }

  hasRoomFor({ size }: OpenFile): boolean {
    return size <= this.room && this.#open.length < MOST_FILES
  }

  /** Adds what there is room for, and says how much that is. */
  append(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.room)
    copyBytes(this.#slab.room.bytes, bytes.subarray(0, length), this.#slab.length)
    this.#slab.length += length
    return length
  }

  /** Adds a file that there is room for, and closes it when it is read. */
  appendFile({ fd, size, path, crc64 }: OpenFile): void {
    this.#open.push(fd)
    const checked = this.#options.checkCrc ? crc64 : undefined
    this.appendPart({ fd, size, path, length: size, position: 0, crc64: checked })
  }

  /** Adds a part of a file, which begins here if `written` is given. */
  appendPart(part: Omit<FilePart, 'start'>, written?: WrittenFile): void {
    const start = SLAB_HEADROOM + this.#slab.length
    if (written !== undefined) this.#files.push({ start, size: part.size, object: written })
    this.#parts.push({ ...part, start })
    this.#slab.length += part.length
  }

  /** Has the parts read. On failure the slab is given back. */
  async fill(): Promise<Slab> {
    const { workers, policy } = this.#options
    const slab = this.#slab
    slab.files = this.#files
    if (this.#parts.length === 0) return slab
    try {
      const files = await workers.fill(slab, { parts: this.#parts, policy })
      if (files.length > 0) slab.files = files
      return slab
    } catch (error) {
      discard(slab, this.#options.slabs)
      throw error
    } finally {
      this.#close()
    }
  }

  /** Gives the slab back, which nobody will fill. */
  discard(): void {
    this.#close()
    this.#options.slabs.give(this.#slab)
  }

  #close(): void {
    for (const fd of this.#open) closeQuietly(fd)
  }
}

/** Slabs of nothing but one file, which is closed in the end. */
async function* packLarge(
  file: OpenFile,
  options: PackOptions,
  take: () => Promise<OpenSlab>,
): AsyncGenerator<Started<Slab>> {
  const { fd, size, path, crc64 } = file
  const crc = options.checkCrc && crc64 !== undefined ? createCrc64(size) : undefined
  const filled: Promise<Slab>[] = []
  let shared: SharedSource | undefined
  let isUsed = false
  /** What is read: the source, whose pages may be in memory, unless somebody has just written to it. */
  let from = fd
  /** Once all is read, and before the source is closed. */
  let wasUnwritten: boolean | undefined
  const isUnwritten = (): boolean => (wasUnwritten ??= shared!.isSource())
  try {
    shared = options.sharer.share(file, options.policy)
    if (shared?.isSource() === false) from = openSync(shared.path, 'r')
    const source = from === fd ? { path, isUnwritten } : undefined
    const written = shared && { path: shared.path, sharing: shared.sharing, ...(source && { source }) }
    for (let position = 0; position < size; position += SLAB_BYTES) {
      const open = await take()
      const length = Math.min(SLAB_BYTES, size - position)
      open.appendPart({ fd: from, size, path, length, position }, isUsed ? undefined : written)
      isUsed = true
      const result = open.fill()
      filled.push(result)
      crc?.update((await result).filled)
      yield { result }
    }
    if (crc !== undefined && crc64 !== undefined) ensureCrc(path, crc64, crc)
    await Promise.allSettled(filled)
    written?.source?.isUnwritten()
  } catch (error) {
    throw ioError(error, `cannot read ${path}`)
  } finally {
    await Promise.allSettled(filled)
    closeQuietly(fd)
    if (from !== fd) closeQuietly(from)
    if (shared !== undefined && !isUsed) removeQuietly(shared.path)
  }
}
