import { readSync } from 'node:fs'
import { SluiceError } from '../../errors.js'

/** Reads all of a range of a file. @throws SluiceError `SLUICE_FORMAT` if the file ends before. */
export function readRange(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length;) {
    const count = readSync(fd, bytes, at, length - at, offset + at)
    if (count === 0) throw new SluiceError('SLUICE_FORMAT', `the file ends after ${offset + at} bytes`)
    at += count
  }
  return bytes
}
