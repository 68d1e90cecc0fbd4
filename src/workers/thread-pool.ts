/** The work on slabs in other threads. */
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../errors.js'
import type { SlabDigest, SlabWorkers, WorkKind } from '../stages/slab/slab-workers.js'
import { unpackError, type Reply, type Request, type Results, type Task, type ThreadSetup } from './messages.js'

/** Tasks a thread has at a time: the one it does, and the next, so that it never waits for a message. */
const TASKS_AHEAD = 2

/** V8's space for new objects: tasks leave little garbage, and the default would let each thread grow by 30 MiB. */
const YOUNG_GENERATION_MB = 2

/** Called for each task done, with milliseconds since `performance.timeOrigin` of the main thread. */
export type OnTask = (task: WorkKind, thread: string, startMs: number, endMs: number) => void

interface Pending {
  readonly work: WorkKind | undefined
  readonly resolve: (result: Results[Task['type']]) => void
  readonly reject: (error: SluiceError) => void
}

/** The stage that each kind of task is work of. */
const workOf: Readonly<Record<Task['type'], WorkKind | undefined>> = {
  store: 'object',
  update: 'digest',
  digest: 'digest',
  abort: undefined,
}

/** Threads that start with the first task. */
export class ThreadPool implements SlabWorkers {
  readonly #threads: readonly Thread[]
  /** Tasks that any thread may do, until one has room for them. */
  readonly #queue: (() => void)[] = []
  #digests = 0

  constructor(count: number, setup: ThreadSetup, onTask: OnTask) {
    this.#threads = Array.from({ length: count }, (_, i) => new Thread(`thread ${i + 1}`, setup, onTask))
  }

  async store(
    slab: { readonly index: number },
    batch: Extract<Task, { type: 'store' }>['batch'],
  ): Promise<Results['store']> {
    const thread = this.#idlest()
    if (thread.load >= TASKS_AHEAD) await new Promise<void>((resolve) => this.#queue.push(resolve))
    try {
      return await this.#idlest().run({ type: 'store', slab: slab.index, batch })
    } finally {
      this.#queue.shift()?.()
    }
  }

  digest(algorithm: string): SlabDigest {
    // One thread for all of it, as a hash does not pass between threads.
    const thread = this.#threads.reduce((best, other) => (other.digests < best.digests ? other : best))
    const digest = this.#digests++
    thread.digests++
    let ended = false
    const end = (): boolean => {
      if (!ended) thread.digests--
      return !ended && (ended = true)
    }
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

  /** Ends the threads when they are done with their tasks. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  #idlest(): Thread {
    return this.#threads.reduce((best, thread) => (thread.load < best.load ? thread : best))
  }
}

class Thread {
  readonly #name: string
  readonly #setup: ThreadSetup
  readonly #onTask: OnTask
  #worker: Worker | undefined
  #failure: SluiceError | undefined
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  /** Digests that are under way here. */
  digests = 0

  constructor(name: string, setup: ThreadSetup, onTask: OnTask) {
    this.#name = name
    this.#setup = setup
    this.#onTask = onTask
  }

  /** Tasks that it has. */
  get load(): number {
    return this.#pending.size
  }

  run<T extends Task>(task: T): Promise<Results[T['type']]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const worker = (this.#worker ??= this.#start())
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { work: workOf[task.type], resolve: resolve as Pending['resolve'], reject })
      worker.postMessage({ id, task } satisfies Request)
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined || this.#failure !== undefined) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage(null satisfies Request)
    await ended
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: this.#setup,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', () => this.#fail(undefined))
    return worker
  }

  #settle({ id, startedAt, endedAt, result, error }: Reply): void {
    const pending = this.#pending.get(id)
    if (pending?.work !== undefined) {
      this.#onTask(pending.work, this.#name, startedAt - performance.timeOrigin, endedAt - performance.timeOrigin)
    }
    this.#pending.delete(id)
    if (error === undefined) pending?.resolve(result)
    else pending?.reject(unpackError(error))
  }

  /** The thread is gone, and with it what it had to do. */
  #fail(cause: unknown): void {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    this.#failure ??= new SluiceError('SLUICE_FAILED', `a worker thread ended before its work was done${why}`, {
      cause,
    })
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }
}
