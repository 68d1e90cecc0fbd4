/** The engine of a run: how much memory and how many threads it gets. */
import { SluiceError } from '../errors.js'
import { MIN_MEMORY } from '../options.js'
import { defaultThreads } from '../native/cores.js'
import { returnLargeBlocks } from '../native/memory.js'
import type { Repository } from '../repository/repository.js'
import { SLAB_FOOTPRINT, SlabPool } from '../stages/slab/slab-pool.js'
import type { FileWorkers } from '../stages/ostree/file-workers.js'
import type { Engine, SlabWorkers } from '../stages/slab/slab-workers.js'
import { inProcessWorkers } from './in-process.js'
import { threadObjects } from './thread-objects.js'
import { ThreadPool, type OnTask } from './thread-pool.js'

export interface EngineOptions {
  /** Threads beside the main one, 0 or more; default: one for each core, none on a single core or for little work. */
  readonly threads?: number
  /** Bytes that come from the source, if that is known. */
  readonly work?: number
  /** Bytes that all buffers of the run may take; at least `MIN_MEMORY`. */
  readonly maxMemory: number
  /** Layers at a time that are wanted, 1 or more. */
  readonly layers: number
  readonly onTask?: OnTask
}

export interface OpenEngine extends Engine {
  readonly workers: SlabWorkers & FileWorkers
  /** Layers at a time that there is memory for; at most what is wanted. */
  readonly layers: number
  /** Starts the threads, if there are any, before there is work for them. */
  start(): void
  /** Nothing may be under way. */
  close(): Promise<void>
}

const MIB = 1024 * 1024

/**
 * What one layer takes beside slabs at most: the frame of its splitstream that is filled and three that are compressed, of
 * 4 MiB each, and 8 MiB of compressed ones.
 */
const SPLITSTREAM_BYTES = 24 * MIB
/** The slabs that a layer may hold while it waits for one: its decoder's input and output, and what comes after each. */
const LAYER_SLABS = 4
const LAYER_BYTES = SPLITSTREAM_BYTES + LAYER_SLABS * SLAB_FOOTPRINT

/** Decoders fill all that there are. 24 cost `os` 11 MiB and 4 % of time, which they take from the caches; 8 gain nothing. */
const ENOUGH_SLABS = 12
/** Slabs beside those, without which nothing moves. */
const FEWEST_SLABS = 2

/** How the memory of a run is divided. There are more slabs than waiting layers can hold, so one of them always gets on. */
export function divideMemory(maxMemory: number, layersWanted: number): { slabs: number; layers: number } {
  if (!(maxMemory >= MIN_MEMORY)) {
    throw new SluiceError('SLUICE_USAGE', `a run needs at least ${MIN_MEMORY / MIB} MiB of memory for its buffers`)
  }
  const affordable = Math.floor((maxMemory - FEWEST_SLABS * SLAB_FOOTPRINT) / LAYER_BYTES)
  const layers = Math.min(layersWanted, affordable)
  const slabs = Math.floor((maxMemory - layers * SPLITSTREAM_BYTES) / SLAB_FOOTPRINT)
  return { layers, slabs: Math.min(slabs, Math.max(ENOUGH_SLABS, layers * LAYER_SLABS + FEWEST_SLABS)) }
}

/** Two threads take 0.06 s to start, which pays from some 20 MiB of gzip on. */
const LITTLE_WORK = 16 * MIB

function checkCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new SluiceError('SLUICE_USAGE', `${name} must be a whole number of at least ${least}, not ${value}`)
}

/**
 * Threads are started by the first work for them, or by `start`.
 *
 * @throws SluiceError `SLUICE_USAGE` for too little memory, or a number that is out of its range.
 */
export function openEngine(repository: Repository, options: EngineOptions): OpenEngine {
  const { maxMemory, layers: wanted, work = Infinity, onTask = () => undefined } = options
  const threads = options.threads ?? (work > LITTLE_WORK ? defaultThreads() : 0)
  checkCount('threads', threads, 0)
  checkCount('concurrency', wanted, 1)
  const { layers, slabs: count } = divideMemory(maxMemory, wanted)
  returnLargeBlocks()
  const slabs = new SlabPool(count)
  if (threads === 0) {
    const close = async (): Promise<void> => slabs.dispose()
    return { slabs, layers, workers: inProcessWorkers(repository.objects, onTask), start: () => undefined, close }
  }
  const workers = new ThreadPool(threads, slabs, { memory: slabs.memory, objects: threadObjects(repository) }, onTask)
  const close = async (): Promise<void> => {
    await workers.close()
    slabs.dispose()
  }
  return { slabs, layers, workers, start: () => workers.start(), close }
}
