/**
 * FICLONE: a file that shares the blocks of another until either is changed (btrfs, xfs, bcachefs, some network file
 * systems). The fallback is to copy the bytes, which the caller does anyway to hash them.
 */
import { callError, libcAvailable, tryCall } from './libc.js'

const FICLONE = 0x40049409

// EXDEV: two file systems. EINVAL: blocks of different size, or a target that is longer than the source.
const unsupported = new Set(['EXDEV', 'EOPNOTSUPP', 'ENOTTY', 'EINVAL', 'ENOSYS'])

/** Makes the whole file at `target` (open for writing) share the blocks of the one at `source` (open for reading). */
export function cloneFile(source: number, target: number): 'cloned' | 'unsupported' {
  const errno = tryCloneFile(source, target)
  if (errno === undefined) return 'cloned'
  if (unsupported.has(errno)) return 'unsupported'
  throw callError('FICLONE', errno)
}

/** As `cloneFile`; gives the errno name of a failure, `ENOSYS` without native code. */
export function tryCloneFile(source: number, target: number): string | undefined {
  return libcAvailable() ? tryCall('ioctl', target, FICLONE, source).errno : 'ENOSYS'
}
