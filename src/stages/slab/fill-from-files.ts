/** Reads files into a slab, and stores those that are objects; the work of any thread. */
import { openSync, readSync } from 'node:fs'
import { ioError } from '../../errors.js'
import { createCrc64, type Checksum } from '../../native/crc64.js'
import { storageError } from '../../formats/cstor/storage-error.js'
import { INLINE_LIMIT } from '../../formats/tar/format.js'
import type { ObjectStore, WrittenFile } from '../../repository/objects.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import { removeQuietly } from '../../repository/remove-quietly.js'
import { ensureSize, FileSharer, type SharingPolicy, type SourceFile } from '../object/share-file.js'
import type { SlabFile } from './slab-pool.js'

/** What of a file goes to a slab. Plain data, which threads send each other. */
export interface FilePart extends SourceFile {
  /** Where it goes in the slab, in bytes, headroom included. */
  readonly start: number
  readonly length: number
  /** Where it is in the file. */
  readonly position: number
  /** What the CRC-64 of the part has to be, in base64, if that is to be checked. */
  readonly crc64?: string | undefined
}

export interface FileParts {
  readonly parts: readonly FilePart[]
  readonly policy: SharingPolicy
}

/** Fills the slab whose memory is `bytes`; see `fillFromFiles`. */
export type FillFromFiles = (bytes: Buffer, parts: FileParts) => SlabFile[]

/** For files that become objects of `store`; remembers which file systems do not share blocks. */
export function fileFiller(store: ObjectStore): FillFromFiles {
  const sharer = new FileSharer(store)
  return (bytes, parts) => fillFromFiles(store, sharer, bytes, parts)
}

/**
 * Fills the slab whose memory is `bytes`. Files that are there whole, and too large to stay inline, are stored: shared if
 * possible, and then what is in the slab is what they share.
 *
 * @returns what was stored; if it throws, no temporary file is left.
 */
function fillFromFiles(
  store: ObjectStore,
  sharer: FileSharer,
  bytes: Buffer,
  { parts, policy }: FileParts,
): SlabFile[] {
  const wholes: FilePart[] = []
  const written: (WrittenFile | undefined)[] = []
  try {
    for (const part of parts) {
      const isObject = isWhole(part) && part.size > INLINE_LIMIT
      try {
        const file = isObject ? sharer.share(part, policy) : undefined
        if (isObject) {
          wholes.push(part)
          written.push(file)
        }
        readPart(part.fd, bytes, part)
        if (file !== undefined && !file.isSource()) readClone(file.path, bytes, part)
      } catch (error) {
        throw ioError(error, `cannot read ${part.path}`)
      }
    }
    const contents = wholes.map(({ start, length }) => bytes.subarray(start, start + length))
    return store.storeAll(contents, written).map((object, i) => {
      const { start, size } = wholes[i]
      return { start, size, object }
    })
  } catch (error) {
    for (const file of written) if (file !== undefined) removeQuietly(file.path)
    throw error
  }
}

function isWhole({ length, size }: FilePart): boolean {
  return length === size
}

function readClone(path: string, bytes: Buffer, part: FilePart): void {
  const fd = openSync(path, 'r')
  try {
    readPart(fd, bytes, part)
  } finally {
    closeQuietly(fd)
  }
}

function readPart(fd: number, bytes: Buffer, part: FilePart): void {
  const { start, length, position, path, crc64 } = part
  for (let at = 0; at < length;) {
    const count = readSync(fd, bytes, start + at, length - at, position + at)
    if (count === 0) ensureSize(part, position + at)
    at += count
  }
  if (crc64 === undefined) return
  ensureCrc(path, crc64, createCrc64(length).update(bytes.subarray(start, start + length)))
}

/** @throws SluiceError `SLUICE_DIGEST_MISMATCH` */
export function ensureCrc(path: string, expected: string, crc: Checksum): void {
  const actual = crc.digest().toString('base64')
  if (actual === expected) return
  throw storageError('LAYER_DATA_CRC', `${path} has other content than when it was stored (CRC-64)`, {
    details: { path, expected, actual },
  })
}
