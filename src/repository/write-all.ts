import { writeSync } from 'node:fs'

/** Writes all of `bytes`: at `position` of the file, or where its descriptor stands. */
export function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(fd, bytes, at, bytes.length - at, position === undefined ? null : position + at)
  }
}
