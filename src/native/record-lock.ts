/**
 * Record locks of an open file description over a whole file, the kind that excludes podman (containers-storage.md §1.4).
 *
 * A classic record lock belongs to the process, and is lost when any descriptor of the file is closed in it. Closing the
 * last duplicate of the descriptor unlocks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { cancelled } from '../errors.js'
import { callError, libcAvailable, tryCall } from './libc.js'

const F_OFD_SETLK = 37
/** `struct flock` of all zeros: F_RDLCK, from SEEK_SET 0 to the end. The same on x64 and arm64. */
const shared = Buffer.alloc(32)

const PAUSE_MS = 50

// EINVAL: Linux before 3.15. ENOLCK: a network file system whose server locks nothing.
const unsupported: ReadonlySet<string> = new Set(['EINVAL', 'ENOLCK', 'ENOSYS', 'EOPNOTSUPP'])

export type RecordLockResult = 'locked' | 'busy' | 'unsupported'

/** Tries once to share the lock of a file that is open for reading. */
export function tryRecordLock(fd: number): RecordLockResult {
  if (!libcAvailable()) return 'unsupported'
  const { errno } = tryCall('fcntl', fd, F_OFD_SETLK, shared)
  if (errno === undefined) return 'locked'
  if (errno === 'EAGAIN' || errno === 'EACCES') return 'busy'
  if (unsupported.has(errno)) return 'unsupported'
  throw callError('fcntl', errno)
}

/**
 * Waits for the shared lock, `busy` if somebody still holds it alone after `timeoutMs`. Tries every 50 ms: the blocking
 * form would stop the event loop or a pool thread, and could not be cancelled.
 *
 * @param options.onWait called once if the lock is not free.
 * @throws SluiceError `SLUICE_CANCELLED`
 */
export async function recordLock(
  fd: number,
  options: {
    readonly timeoutMs: number
    readonly signal?: AbortSignal | undefined
    readonly onWait?: (() => void) | undefined
  },
): Promise<RecordLockResult> {
  const { timeoutMs, signal, onWait } = options
  const end = performance.now() + timeoutMs
  for (let tries = 0; ; tries++) {
    if (signal?.aborted === true) throw cancelled(signal)
    const result = tryRecordLock(fd)
    if (result !== 'busy' || performance.now() >= end) return result
    if (tries === 0) onWait?.()
    // An abort ends the pause early; the loop reports it.
    await sleep(PAUSE_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }
}
