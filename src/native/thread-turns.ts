/**
 * One thread at a time loads ffi-rs, or ends after it has: the library enters each thread that loads it into tables of the
 * process, takes it out when the thread ends, and does not lock them (napi-rs 2). Threads that did so at the same moment
 * crashed or hung, one pull in some hundreds.
 */
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { setTimeout } from 'node:timers/promises'

const KEY = 'sluice: thread turns'
const FREE = 0
const TAKEN = 1

/**
 * Made by the main thread before it starts others, which find it. Undefined in threads of a program that it started before:
 * none of those has ffi-rs.
 */
function turn(): Int32Array | undefined {
  const known = getEnvironmentData(KEY) as Int32Array | undefined
  if (known !== undefined) return known
  if (!isMainThread) return undefined
  const made = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  setEnvironmentData(KEY, made)
  return made
}

const tryTake = (lock: Int32Array): boolean => Atomics.compareExchange(lock, 0, FREE, TAKEN) === FREE

function give(lock: Int32Array): void {
  Atomics.store(lock, 0, FREE)
  Atomics.notify(lock, 0, 1)
}

/** Does `work` while no other thread loads or ends; waits for them in the middle of everything. */
export function inTurn<Result>(work: () => Result): Result {
  const lock = turn()
  if (lock === undefined) return work()
  while (!tryTake(lock)) Atomics.wait(lock, 0, TAKEN)
  try {
    return work()
  } finally {
    give(lock)
  }
}

/** As `inTurn`, for what takes longer than the main thread may stop for. */
export async function inTurnAsync(work: () => Promise<void>): Promise<void> {
  const lock = turn()
  if (lock === undefined) return work()
  while (!tryTake(lock)) await setTimeout(1)
  try {
    await work()
  } finally {
    give(lock)
  }
}
