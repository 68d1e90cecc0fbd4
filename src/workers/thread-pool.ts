/** The work on slabs in other threads. */
import type { Worker } from 'node:worker_threads'
import type { SluiceError } from '../errors.js'
import type { SlabDigest, SlabWorkers, WorkKind } from '../stages/slab/slab-workers.js'
import type { Decoder, DecoderKind } from '../stages/decompress/decoder.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import type { ObjectBatch, StoredBatch } from '../stages/object/object-batch.js'
import type { StoredFiles } from '../stages/ostree/file-batch.js'
import type { ArchivedFiles, FileReceiver, FileWorkers } from '../stages/ostree/file-workers.js'
import type { LocalRepository } from '../stages/ostree/local-repository.js'
import type { FileParts } from '../stages/slab/fill-from-files.js'
import type { Slab, SlabFile, SlabPool } from '../stages/slab/slab-pool.js'
import { endThread } from './end-thread.js'
import { remoteDecoder } from './remote-decoder.js'
import {
  unpackError,
  type Reply,
  type Request,
  type Results,
  type Started,
  type Task,
  type ThreadSetup,
} from './messages.js'
import { startThread, threadError } from './start-thread.js'

/** Tasks a thread has at a time: the one it does, and the next, so that it never waits for a message. */
const TASKS_AHEAD = 2

/** V8's space for new objects: tasks leave little garbage, and the default would let each thread grow by 30 MiB. */
const YOUNG_GENERATION_MB = 2

/** Called for each task done, with milliseconds since `performance.timeOrigin` of the main thread. */
export type OnTask = (task: WorkKind, thread: string, startMs: number, endMs: number) => void

interface Pending {
  readonly work: WorkKind | undefined
  readonly resolve: (result: Results[Task['type']]) => void
  readonly reject: (error: unknown) => void
}

/** The stage that each kind of task is work of. */
const workOf: Readonly<Record<Task['type'], WorkKind | undefined>> = {
  store: 'object',
  fill: 'object',
  update: 'digest',
  digest: 'digest',
  abort: undefined,
  decode: 'decompress',
  close: undefined,
  'local-files': 'object',
  'archived-files': 'object',
  'file-piece': 'object',
  'file-end': 'object',
  'file-abort': undefined,
}

/** Threads that start with the first task, unless they are started before. */
export class ThreadPool implements SlabWorkers, FileWorkers {
  readonly #threads: readonly Thread[]
  /** Tasks that any thread may do, until one has room for them. */
  readonly #queue: ((thread: Thread) => void)[] = []
  readonly #slabs: SlabPool
  #lanes = 0

  constructor(count: number, slabs: SlabPool, setup: ThreadSetup, onTask: OnTask) {
    this.#slabs = slabs
    this.#threads = Array.from(
      { length: count },
      (_, i) => new Thread(`thread ${i + 1}`, setup, onTask, () => this.#handOut()),
    )
  }

  start(): void {
    for (const thread of this.#threads) thread.start()
  }

  store({ index: slab }: Slab, batch: ObjectBatch): Promise<StoredBatch> {
    return this.#runAnywhere({ type: 'store', slab, batch })
  }

  fill({ index: slab }: Slab, parts: FileParts): Promise<SlabFile[]> {
    return this.#runAnywhere({ type: 'fill', slab, parts })
  }

  localFiles(repository: LocalRepository, ids: readonly OstreeId[]): Promise<StoredFiles> {
    return this.#runAnywhere({ type: 'local-files', repository, ids })
  }

  archivedFiles({ index: slab }: Slab, files: ArchivedFiles): Promise<StoredFiles> {
    return this.#runAnywhere({ type: 'archived-files', slab, files })
  }

  archivedFile(id: OstreeId): FileReceiver {
    const { thread, lane: file, end } = this.#openLane()
    return {
      push: ({ index, length }) => thread.run({ type: 'file-piece', file, id, slab: index, length }),
      end: () => {
        end()
        return thread.run({ type: 'file-end', file })
      },
      abort: () => {
        if (end()) thread.run({ type: 'file-abort', file }).catch(() => undefined)
      },
    }
  }

  digest(algorithm: string): SlabDigest {
    const { thread, lane: digest, end } = this.#openLane()
    return {
      update: ({ index, length }) => thread.run({ type: 'update', digest, algorithm, slab: index, length }),
      digest: () => {
        end()
        return thread.run({ type: 'digest', digest, algorithm })
      },
      abort: () => {
        if (end()) thread.run({ type: 'abort', digest }).catch(() => undefined)
      },
    }
  }

  decoder(kind: DecoderKind, signal: AbortSignal): Decoder {
    const { thread, lane, end } = this.#openLane()
    thread.decoders++
    const close = async (): Promise<void> => {
      if (!end()) return
      thread.decoders--
      await thread.run({ type: 'close', decoder: lane }).catch(() => undefined)
    }
    return remoteDecoder(kind, lane, { run: (task) => thread.run(task), close, slabs: this.#slabs, signal })
  }

  #runAnywhere<T extends Task>(task: T): Promise<Results[T['type']]> {
    return new Promise((resolve, reject) => {
      this.#queue.push((thread) => void thread.run(task).then(resolve, reject))
      this.#handOut()
    })
  }

  /** A digest, decoder or file that comes in pieces needs one thread for all of its tasks, as its state does not pass between threads. */
  #openLane(): { thread: Thread; lane: number; end: () => boolean } {
    const thread = this.#threads.reduce((best, other) => (other.lanes < best.lanes ? other : best))
    thread.lanes++
    let ended = false
    const end = (): boolean => {
      if (!ended) thread.lanes--
      return !ended && (ended = true)
    }
    return { thread, lane: this.#lanes++, end }
  }

  /** Ends the threads when they are done with their tasks. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  /**
   * Gives what waits to threads that have room for it; called whenever something waits, or a thread has done something.
   *
   * To the one of which least is wanted, and of those to the one that has worked least: that of a decoder looks idle each
   * time it has filled a slab, and its next slab would wait while the thread of the digests has nothing to do.
   */
  #handOut(): void {
    while (this.#queue.length > 0) {
      const free = this.#threads.filter(({ load }) => load < TASKS_AHEAD)
      if (free.length === 0) return
      this.#queue.shift()!(free.reduce((best, other) => (other.isFreerThan(best) ? other : best)))
    }
  }
}

class Thread {
  readonly #name: string
  readonly #setup: ThreadSetup
  readonly #onTask: OnTask
  readonly #onRoom: () => void
  #worker: Worker | undefined
  #failure: SluiceError | undefined
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #busyMs = 0
  /** Digests, decoders and files that are under way here. */
  lanes = 0
  /** Of those, the decoders. */
  decoders = 0

  /** @param onRoom is called when it has less to do than before. */
  constructor(name: string, setup: ThreadSetup, onTask: OnTask, onRoom: () => void) {
    this.#name = name
    this.#setup = setup
    this.#onTask = onTask
    this.#onRoom = onRoom
  }

  /** Tasks that it has. */
  get load(): number {
    return this.#pending.size
  }

  /** Milliseconds that its tasks have taken so far, and those it has will probably take. */
  get workMs(): number {
    const done = this.#lastId - this.load
    return done === 0 ? 0 : (this.#busyMs / done) * this.#lastId
  }

  /** Whether it is the better one for another task. */
  isFreerThan(other: Thread): boolean {
    return this.#wanted === other.#wanted ? this.workMs < other.workMs : this.#wanted < other.#wanted
  }

  /** Tasks that it has, or is about to get: a decoder gets its next one at once. */
  get #wanted(): number {
    const others = [...this.#pending.values()].filter(({ work }) => work !== 'decompress')
    return others.length + this.decoders
  }

  run<T extends Task>(task: T): Promise<Results[T['type']]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const worker = this.start()
      const id = ++this.#lastId
      this.#pending.set(id, { work: workOf[task.type], resolve: resolve as Pending['resolve'], reject })
      worker.postMessage({ id, task } satisfies Request)
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined || this.#failure !== undefined) return
    await endThread(worker)
  }

  start(): Worker {
    return (this.#worker ??= this.#begin())
  }

  #begin(): Worker {
    const worker = startThread('thread', this.#setup, YOUNG_GENERATION_MB)
    worker.on('message', (message: Started | Reply) => {
      if (message !== 'started') this.#settle(message)
    })
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', () => this.#fail(undefined))
    return worker
  }

  #settle({ id, startedAt, endedAt, result, error }: Reply): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    this.#busyMs += endedAt - startedAt
    try {
      const { timeOrigin } = performance
      if (pending?.work !== undefined)
        this.#onTask(pending.work, this.#name, startedAt - timeOrigin, endedAt - timeOrigin)
      if (error === undefined) pending?.resolve(result)
      else pending?.reject(unpackError(error))
    } catch (failure) {
      // Of who is told.
      pending?.reject(failure)
    }
    this.#onRoom()
  }

  /** The thread is gone, and with it what it had to do. */
  #fail(cause: unknown): void {
    this.#failure ??= threadError(cause, 'a worker thread ended before its work was done')
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
    this.#onRoom()
  }
}
