/** Gives memory back to the system that a stage of a run will not need again. */
import { PinnedBuffer } from './pinned-buffer.js'
import { libcAvailable, tryCall } from './libc.js'

const MADV_DONTNEED = 4
/** Of every Linux; where pages are larger, less is given back. */
const PAGE = 65_536

/**
 * Gives back the pages that `unused` has for itself, whose content is lost, and what malloc keeps: 30 to 60 MiB after a
 * pull's layers. Without native code nothing happens.
 */
export function returnMemory(unused: Buffer): void {
  if (!libcAvailable()) return
  const { address } = PinnedBuffer.over(unused)
  const start = Math.ceil(address / PAGE) * PAGE
  const length = Math.floor((address + unused.length) / PAGE) * PAGE - start
  try {
    if (length > 0) tryCall('madvise', start, length, MADV_DONTNEED)
    tryCall('malloc_trim', 0)
  } catch {
    // Not every C library has malloc_trim, and nothing depends on it.
  }
}
