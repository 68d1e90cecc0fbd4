import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Worker } from 'node:worker_threads'

/** How much V8's heap may grow between two full collections, in percent of what is in it. */
const ENOUGH_GROWTH = 60
/** The most that V8 would choose itself. */
const MOST_GROWTH = 300
/** Bytes that a small heap may grow by, if that is not more than the most. */
const SMALL_HEAP_GROWTH = 40 * 1024 * 1024
/** Bytes of both halves of the space for new objects; V8 would go up to 32 MiB. A fourth of this costs 15 % of time. */
const ENOUGH_YOUNG_SPACE = 8 * 1024 * 1024
/** Between two looks, in milliseconds; each doubling takes longer. */
const LOOK_MS = 50

const nodeMajor = Number.parseInt(process.versions.node, 10)
/** The versions of Node that were tried. Flags are no stable interface: V8 reports on standard error what it does not know. */
const TUNED_NODES = [20, 22, 24]
export const isTuned = TUNED_NODES.includes(nodeMajor)

interface Flag {
  /** V8's own choice. A code cache is made with it, and of no use with another one. */
  readonly byDefault: number
  /** Undefined for those that are set from time to time. */
  readonly tuned?: number
}

const flags: Readonly<Record<string, Flag>> = {
  'heap-growing-percent': { byDefault: 0 },
  'semi-space-growth-factor': { byDefault: 2 },
  // Work after which V8 optimizes a function of WebAssembly, in its own unit. undici's parser of HTTP would be optimized after
  // three answers, which takes 110 ms of CPU, and 50 at the end of a short pull.
  'wasm-tiering-budget': { byDefault: nodeMajor === 20 ? 1_800_000 : 13_000_000, tuned: 100_000_000 },
  // Bytes of bytecode that a function runs through before V8 optimizes it. Optimizing takes a fifth of the CPU time of Node 20,
  // much of it for functions that run for a second: 6 to 14 % of the time. Later ones count calls of a function, and have no
  // such flag.
  ...(nodeMajor === 20 && { 'interrupt-budget': { byDefault: 67_584, tuned: 400_000 } }),
}

function setFlag(name: string, value: number): void {
  setFlagsFromString(`--${name}=${value}`)
}

/** Threads of which nothing was heard yet. */
let starting = 0

/**
 * Sets flags of V8, if this Node is known to have them. For programs, not for the library: they hold for the whole process, its
 * threads included.
 *
 * While one is set, V8 takes no code from caches, and compiles Node's own modules from their source. So they are set when a
 * command has loaded what it begins with, and reset while threads start: two of them start in 21 ms in place of 37.
 */
export function tuneV8(): void {
  if (!isTuned) return
  process.on('worker', resetWhileStarting)
  setImmediate(() => {
    if (starting === 0) setFlags()
  })
  // Again and again: V8 goes back to growing by a factor of two with each thread that starts.
  setInterval(() => {
    if (starting === 0) boundHeap()
  }, LOOK_MS).unref()
}

function resetWhileStarting(thread: Worker): void {
  starting++
  for (const [name, { byDefault }] of Object.entries(flags)) setFlag(name, byDefault)
  const started = (): void => {
    thread.off('message', started).off('exit', started)
    if (--starting === 0) setFlags()
  }
  // It has begun to work, or has failed.
  thread.on('message', started).on('exit', started)
}

function setFlags(): void {
  for (const [name, { tuned }] of Object.entries(flags)) if (tuned !== undefined) setFlag(name, tuned)
  boundHeap()
}

/**
 * Has V8 collect early: memory is to be what a run needs, not what a machine has. A pull of 96,361 entries peaks at 213 MiB
 * instead of 265 on Node 20, and at 231 instead of 376 on Node 24, in the same time.
 *
 * A small heap may grow by more: what a socket is read into counts as growth, though the next collection of new objects frees
 * it. At 60 percent a heap of 15 MiB was collected with every 8 MiB that a registry sent, which took 1 s of 12 for the image `os`.
 */
function boundHeap(): void {
  const used = getHeapStatistics().used_heap_size
  const ofSmallHeap = Math.min(MOST_GROWTH, Math.round((SMALL_HEAP_GROWTH / used) * 100))
  setFlag('heap-growing-percent', Math.max(ENOUGH_GROWTH, ofSmallHeap))
  if (youngSpace() >= ENOUGH_YOUNG_SPACE) setFlag('semi-space-growth-factor', 1)
}

function youngSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0
}
