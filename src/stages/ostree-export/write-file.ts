/** Writes a file of a stored commit as an object of an ostree repository; what it holds is checked against its id. */
import { closeSync, constants, fstatSync, openSync, readSync, symlinkSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createDeflateRaw } from 'node:zlib'
import { SluiceError } from '../../errors.js'
import type { Breather } from '../../flow/breather.js'
import { readToEnd } from '../../flow/iterate.js'
import type { ObjectId } from '../../formats/digest.js'
import { FileIdHasher } from '../../formats/ostree/file-id.js'
import { isSymlink, type SizedZlibHeader } from '../../formats/ostree/file-header.js'
import type { OstreeId } from '../../formats/ostree/ostree-id.js'
import { cloneFile } from '../../native/reflink.js'
import type { ObjectStore } from '../../repository/objects.js'
import { writeAll } from '../../repository/write-all.js'
import type { FileLayout } from './file-layout.js'

export interface CommitFile extends SizedZlibHeader {
  readonly id: OstreeId
  /** The object with the content; without one, `rest` is the content. */
  readonly external: ObjectId | undefined
}

export interface FileWriting {
  readonly layout: FileLayout
  readonly store: ObjectStore
  readonly breather: Breather
  /** Makes the empty file at `target` share the blocks of the one at `source`; false if the file systems cannot. */
  readonly clone: (source: number, target: number) => boolean
}

/** Asks no more once it could not: all objects are on the same two file systems, and each question takes 30 µs. */
export function cloneWhilePossible(): FileWriting['clone'] {
  let isPossible = true
  return (source, target) => (isPossible &&= cloneFile(source, target) === 'cloned')
}

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
const READ_BYTES = 256 * 1024

/** @throws SluiceError `SLUICE_CORRUPT` if the file is not what its id says. */
export async function writeFile(path: string, file: CommitFile, writing: FileWriting): Promise<void> {
  const { header } = file
  const { layout } = writing
  if (isSymlink(header) && layout.hasSymlinks) {
    await readToEnd(checked([file.rest], file, writing))
    symlinkSync(header.target, path)
  } else {
    const fd = openSync(path, CREATE, 0o600)
    try {
      writeAll(fd, layout.head(header))
      await writeContent(fd, file, writing)
    } finally {
      closeSync(fd)
    }
  }
  layout.finish(path, header)
}

async function writeContent(fd: number, file: CommitFile, writing: FileWriting): Promise<void> {
  if (file.external === undefined || isSymlink(file.header)) return writePieces(fd, [file.rest], file, writing)
  const source = writing.store.open(file.external)
  try {
    const isShared = !writing.layout.deflates && writing.clone(source, fd)
    // Of a clone what is checked is what is stored.
    if (isShared) await readToEnd(checked(filePieces(fd), file, writing))
    else await writePieces(fd, filePieces(source), file, writing)
  } finally {
    closeSync(source)
  }
}

async function writePieces(
  fd: number,
  pieces: Iterable<Uint8Array>,
  file: CommitFile,
  writing: FileWriting,
): Promise<void> {
  const content = checked(pieces, file, writing)
  // Nothing follows the header of a symlink in an archive, not even an empty stream.
  if (isSymlink(file.header)) await readToEnd(content)
  else if (writing.layout.deflates) await pipeline(content, createDeflateRaw(), (deflated) => writeTo(fd, deflated))
  else await writeTo(fd, content)
}

/** Passes the content on; throws in the end if it is not what the id says. */
async function* checked(
  pieces: Iterable<Uint8Array>,
  { id, header }: CommitFile,
  { breather }: FileWriting,
): AsyncGenerator<Uint8Array> {
  const hasher = new FileIdHasher(header)
  let size = 0
  for (const piece of pieces) {
    hasher.update(piece)
    size += piece.length
    await breather.breathe()
    yield piece
  }
  const actual = hasher.digest()
  if (actual === id && size === header.size) return
  const why = actual === id ? `has ${size} bytes instead of ${header.size}` : `has the checksum ${actual}`
  throw new SluiceError('SLUICE_CORRUPT', `file ${id} ${why}`, { hint: 'pull the commit again', details: { file: id } })
}

function* filePieces(fd: number): Generator<Uint8Array> {
  const { size } = fstatSync(fd)
  for (let at = 0; at < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - at))
    const length = readSync(fd, buffer, 0, buffer.length, at)
    if (length === 0) return
    at += length
    yield buffer.subarray(0, length)
  }
}

async function writeTo(fd: number, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) writeAll(fd, piece)
}
