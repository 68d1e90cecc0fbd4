/** linkat(2) of an open file: another name for it, wherever its own one is. */
import { libcAvailable, tryCall } from './libc.js'

const AT_FDCWD = -100
const AT_SYMLINK_FOLLOW = 0x400

/** Gives the file at `fd` the name `path`; gives the errno name of a failure, `ENOSYS` without native code. */
export function linkOpenFile(fd: number, path: string): string | undefined {
  if (!libcAvailable()) return 'ENOSYS'
  // By its link in /proc: with AT_EMPTY_PATH it would take CAP_DAC_READ_SEARCH.
  return tryCall('linkat', AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW).errno
}
