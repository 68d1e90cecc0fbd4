import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'

/** How much V8's heap may grow between two full collections, in percent of what is in it; its own choice is up to 300. */
const GROWTH = 60
/** Bytes that it may grow by in any case, but for three times what is in it. */
const LEAST_GROWTH = 40 * 1024 * 1024
/** Bytes of both halves of the space for new objects; V8 would go up to 32 MiB. A fourth of this costs 15 % of time. */
const ENOUGH_YOUNG_SPACE = 8 * 1024 * 1024
/** Between two looks, in milliseconds; each doubling takes longer. */
const LOOK_MS = 50

/** Bytes of bytecode that a function runs through before V8 optimizes it; its own choice is 67,584 in Node 20. */
const ENOUGH_BYTECODE = 400_000
/** Work after which V8 optimizes a function of WebAssembly, in its own unit; its own choice is 1,800,000 in Node 20. */
const ENOUGH_WEBASSEMBLY = 100_000_000

/**
 * Sets flags of V8. For programs, not for the library: they hold for the whole process, its threads included.
 */
export function tuneV8(): void {
  boundHeap()
  // Optimizing takes a fifth of the CPU time of Node 20, much of it for functions that run for a second: 6 to 14 % of the time.
  setFlagsFromString(`--interrupt-budget=${ENOUGH_BYTECODE}`)
  // undici's parser of HTTP: it would be optimized after three answers, which takes 110 ms of CPU, and 50 at the end of a
  // short pull.
  setFlagsFromString(`--wasm-tiering-budget=${ENOUGH_WEBASSEMBLY}`)
}

/**
 * Has V8 collect early: memory is to be what a run needs, not what a machine has. A pull of 96,361 entries peaks at 222 MiB
 * instead of 265 on Node 20, and at 246 instead of 376 on Node 24, in the same time; one of 13,000 ostree objects over HTTP at
 * 243 instead of 300, and takes 8 % longer.
 *
 * What a socket is read into counts as growth, though the next collection of new objects frees it: a small heap would be
 * collected every 8 MiB that a registry sends.
 */
function boundHeap(): void {
  setGrowth()
  // Again and again: V8 goes back to growing by a factor of two with each thread that starts.
  setInterval(() => {
    setGrowth()
    if (youngSpace() >= ENOUGH_YOUNG_SPACE) setFlagsFromString('--semi-space-growth-factor=1')
  }, LOOK_MS).unref()
}

function setGrowth(): void {
  const used = getHeapStatistics().used_heap_size
  const percent = Math.max(GROWTH, Math.min(300, Math.round((LEAST_GROWTH / used) * 100)))
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}

function youngSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0
}
