/** Checks all objects, with all cores. */
import { cancelled } from '../errors.js'
import { Breather } from '../flow/breather.js'
import { availableCores } from '../native/cores.js'
import { objectDirectories } from '../repository/object-listing.js'
import type { Repository } from '../repository/repository.js'
import { ObjectChecker, type CheckedObjects } from '../stages/check/object-checker.js'
import { endThread } from './end-thread.js'
import { unpackError, type PackedError } from './messages.js'
import { startThread, threadError } from './start-thread.js'
import { threadObjects, type ThreadObjects } from './thread-objects.js'

/** What a thread begins with. */
export interface CheckThreadSetup {
  readonly objects: ThreadObjects
  /** The number of the directory that the next thread to be free takes. */
  readonly next: Int32Array
}

/** What a thread tells: of one directory, or that it stops, and why. */
export type CheckThreadMessage =
  | 'done'
  | { readonly directory: number; readonly checked: CheckedObjects }
  | { readonly error: PackedError }

export interface CheckObjectsOptions {
  /** Threads beside this one; default: so many that each core has one, none for a small repository. */
  readonly threads?: number | undefined
  /** Called after each of the 256 directories. */
  readonly onDirectory: (done: number, total: number) => void
  readonly signal: AbortSignal
}

/** A repository that this thread checks in so many milliseconds is small: starting others takes about as long. */
const SMALL_MS = 50
/** V8's space for new objects: each block of 4096 bytes takes a few, and with 2 MiB collecting them took 10 % of the time. */
const YOUNG_GENERATION_MB = 16

/** What it finds is in the order of names, whoever found it. */
export async function checkObjects(
  repository: Pick<Repository, 'objects' | 'secure'>,
  { threads, onDirectory, signal }: CheckObjectsOptions,
): Promise<CheckedObjects> {
  const total = objectDirectories.length
  const results = objectDirectories.map((): CheckedObjects => ({ checked: 0, damaged: [] }))
  let done = 0
  const onResult = (directory: number, checked: CheckedObjects): void => {
    results[directory] = checked
    onDirectory(++done, total)
  }

  const next = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const setup: CheckThreadSetup = { objects: threadObjects(repository), next }
  const others: Promise<void>[] = []
  const needsHelp = helpIsDue(threads)
  const checker = new ObjectChecker(repository.objects, repository.secure)
  const breather = new Breather(signal)
  const takeNext = (): number => Atomics.add(next, 0, 1)
  try {
    for (let number = takeNext(); number < total; number = takeNext()) {
      if (others.length === 0 && needsHelp()) {
        const count = threads ?? availableCores() - 1
        others.push(...Array.from({ length: count }, () => runThread(setup, onResult, signal)))
        // What fails while this thread is at work is thrown when it is done.
        for (const other of others) other.catch(() => undefined)
      }
      onResult(number, await checker.check(objectDirectories[number], breather))
    }
  } finally {
    // If this thread failed, the others need not go on.
    Atomics.store(next, 0, total)
    await Promise.allSettled(others)
  }
  await Promise.all(others)
  return {
    checked: results.reduce((sum, { checked }) => sum + checked, 0),
    damaged: results.flatMap(({ damaged }) => damaged),
  }
}

/** Tells when other threads are to be started: at once if they are asked for, never on a single core. */
function helpIsDue(threads: number | undefined): () => boolean {
  if (threads !== undefined) return () => threads > 0
  if (availableCores() === 1) return () => false
  const started = performance.now()
  return () => performance.now() - started > SMALL_MS
}

function runThread(
  setup: CheckThreadSetup,
  onResult: (directory: number, checked: CheckedObjects) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = startThread('check-thread', setup, YOUNG_GENERATION_MB)
    const stop = (): void => worker.postMessage('stop')
    const fail = (error: Error): void => {
      // The others need not go on.
      Atomics.store(setup.next, 0, objectDirectories.length)
      reject(error)
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    worker.on('message', (message: CheckThreadMessage) => {
      if (message !== 'done' && 'checked' in message) return onResult(message.directory, message.checked)
      if (message !== 'done') fail(signal.aborted ? cancelled(signal) : unpackError(message.error))
      void endThread(worker)
    })
    worker.on('error', (cause) => fail(threadError(cause, 'a thread of the check ended early')))
    worker.on('exit', () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
  })
}
