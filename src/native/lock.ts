/**
 * flock(2) on a descriptor: the lock that cfsctl takes on the repository directory (repository.md §2.7).
 *
 * There is no portable fallback: a lock of another kind would not exclude cfsctl. Callers check `lockingAvailable`, and
 * refuse what needs the lock.
 *
 * The kernel drops the lock a descriptor holds before it tries another mode, so a change of mode that is refused or
 * cancelled leaves the descriptor without any lock. Closing the last duplicate of the descriptor unlocks.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, cancelled } from '../errors.js'
import { call, callError, libcAvailable, tryCall } from './libc.js'

const operations = { shared: 1, exclusive: 2 } as const
const nonBlocking = 4
const unlocking = 8

export type LockMode = keyof typeof operations

/** Called once if somebody else holds the lock, before waiting for it in that mode. */
export type OnWait = (mode: LockMode) => void

export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  readonly onWait?: OnWait | undefined
}

export function lockingAvailable(): boolean {
  return libcAvailable()
}

/** Takes the lock if it is free; false if somebody else holds it in a mode that excludes this one. */
export function tryLock(fd: number, mode: LockMode): boolean {
  const { errno } = tryCall('flock', fd, operations[mode] | nonBlocking)
  if (errno === undefined) return true
  if (errno === 'EAGAIN') return false
  const isLockless = errno === 'ENOLCK'
  throw callError('flock', errno, 'flock', isLockless ? 'over NFS, both sides have to run a lock service' : undefined)
}

// Short enough that a command of some milliseconds is not waited for much longer than it runs, and 10 calls a second
// when somebody holds the lock for minutes.
const firstPause = 1
const longestPause = 100

/**
 * Waits for the lock, without end unless `signal` fires. Tries in pauses of 1 to 100 ms, because a blocking flock would stop the event loop
 * or a pool thread, neither of which can be cancelled.
 */
export async function lock(fd: number, mode: LockMode, options: LockOptions = {}): Promise<void> {
  const { signal, onWait } = options
  if (signal?.aborted === true) throw cancelled(signal)
  // Many may wait under one signal.
  if (signal !== undefined) setMaxListeners(0, signal)
  for (let pause = firstPause; !tryLock(fd, mode); pause = Math.min(2 * pause, longestPause)) {
    if (pause === firstPause) onWait?.(mode)
    await pauseUnlessAborted(pause, signal)
  }
}

async function pauseUnlessAborted(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    if (signal?.aborted === true) throw cancelled(signal)
    throw new SluiceError('SLUICE_FAILED', 'waiting for a lock failed', { cause: error })
  }
}

export function unlock(fd: number): void {
  call('flock', fd, unlocking)
}
