/** What a run gets of the processor. */
import { availableParallelism } from 'node:os'

/** Cores this process may use: affinity and, where libuv knows of it, the quota of its control group count. */
export function availableCores(): number {
  return availableParallelism()
}

/** Threads beside the main one: one for each core, none on a single core. */
export function defaultThreads(cores: number = availableCores()): number {
  return cores > 1 ? cores : 0
}

/** Threads of libuv's pool, for files, zlib and compression: 4 unless UV_THREADPOOL_SIZE says another number. */
export function poolThreads(): number {
  const said = Number.parseInt(process.env['UV_THREADPOOL_SIZE'] ?? '', 10)
  return said > 0 ? Math.min(said, 1024) : 4
}
