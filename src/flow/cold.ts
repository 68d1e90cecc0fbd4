/** A cold Observable over asynchronous work that heeds an AbortSignal. */
import { setMaxListeners } from 'node:events'
// From its own file: the whole of rxjs takes 130 ms to load, this one 10.
import { Observable } from 'rxjs/internal/Observable'
import { cancelled, SluiceError } from '../errors.js'

/**
 * Subscribing runs `work`; unsubscribing, or aborting `outer`, aborts the signal that it gets. What it emits goes to the
 * subscriber; when it returns the Observable completes, and when it throws the Observable fails.
 */
export function coldFrom<Event>(
  work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Observable<Event> {
  return new Observable((subscriber) => {
    const controller = new AbortController()
    const signal = outer === undefined ? controller.signal : AbortSignal.any([outer, controller.signal])
    // Every layer, thread and request of the work listens to it, and there may be more than ten.
    setMaxListeners(0, signal)
    work((event) => subscriber.next(event), signal).then(
      () => subscriber.complete(),
      (error: unknown) => {
        // Whatever an aborted operation failed with, the abort is what happened.
        const reason = signal.aborted && !(error instanceof SluiceError && error.code === 'SLUICE_CANCELLED')
        subscriber.error(reason ? cancelled(signal) : error)
      },
    )
    return () => controller.abort()
  })
}
