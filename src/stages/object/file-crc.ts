import { readSync } from 'node:fs'
import { createCrc64 } from '../../native/crc64.js'
import { closeQuietly } from '../../repository/close-quietly.js'
import type { OpenFile } from '../containers-storage/storage-image.js'

const BUFFER_BYTES = 1024 * 1024

/** Whether a file of a storage has the content that the storage took down; closes it. True if nothing was taken down. */
export function isUnchanged({ fd, size, crc64 }: OpenFile): boolean {
  try {
    if (crc64 === undefined) return true
    const crc = createCrc64(size)
    const buffer = Buffer.allocUnsafe(Math.min(size, BUFFER_BYTES))
    let at = 0
    for (let count = -1; at < size && count !== 0; at += count) {
      count = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at)
      crc.update(buffer.subarray(0, count))
    }
    return crc.digest().toString('base64') === crc64
  } finally {
    closeQuietly(fd)
  }
}
