import type { Worker } from 'node:worker_threads'
import { inTurnAsync } from '../native/thread-turns.js'

/** Asks a thread, which has no work any more, to end. */
export type EndMessage = null

/** Ends threads one after the other, as ffi-rs needs it. */
export function endThread(worker: Worker): Promise<void> {
  return inTurnAsync(
    () =>
      new Promise((resolve) => {
        // Of one that is gone already nothing more is heard.
        if (worker.threadId === -1) return resolve()
        worker.once('exit', () => resolve())
        worker.postMessage(null satisfies EndMessage)
      }),
  )
}
