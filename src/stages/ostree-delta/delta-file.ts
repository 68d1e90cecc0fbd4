/** A delta in files: everything in one, or the parts beside the superblock (ostree.md §3.7). */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { formatError, ioError, withContext } from '../../errors.js'
import { readSuperblock } from '../../formats/ostree/delta/superblock.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { Delta } from './apply-delta.js'
import { MAX_PART, tooLarge } from './open-part.js'
import { readRange } from './read-range.js'

export interface DeltaFile extends Delta {
  close(): void
}

/**
 * Reads the superblock, without the parts in it.
 *
 * @param path the file, or the directory of a file `superblock`.
 * @throws SluiceError `SLUICE_NOT_FOUND`, or `SLUICE_FORMAT` if it is no delta.
 */
export function openDeltaFile(path: string): DeltaFile {
  const file = isDirectory(path) ? join(path, 'superblock') : path
  const { fd, size } = openFile(file)
  try {
    const superblock = readSuperblock({ size, read: (offset, length) => readRange(fd, offset, length) })
    return {
      superblock,
      readPart: async (index) => {
        const { inline } = superblock.parts[index]
        if (inline === undefined) return readWhole(join(dirname(file), String(index)))
        if (inline.length > MAX_PART) throw tooLarge(`part ${index} in ${file}`)
        return readRange(fd, inline.offset, inline.length)
      },
      close: () => closeQuietly(fd),
    }
  } catch (error) {
    closeQuietly(fd)
    throw withContext(error, file)
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  } catch (error) {
    throw ioError(error, `cannot open ${path}`)
  }
}

function openFile(path: string): { readonly fd: number; readonly size: number } {
  try {
    // Whatever lies there must not be waited for, as a pipe would be.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    if (stats.isFile()) return { fd, size: stats.size }
    closeSync(fd)
  } catch (error) {
    throw ioError(error, `cannot open ${path}`)
  }
  throw formatError('delta', `${path} is not a regular file`)
}

function readWhole(path: string): Buffer {
  const { fd, size } = openFile(path)
  try {
    if (size > MAX_PART) throw tooLarge(path)
    return readRange(fd, 0, size)
  } finally {
    closeQuietly(fd)
  }
}
