import type { Observable } from 'rxjs'
import { SluiceError } from '../errors.js'

/** Shows what a pipeline tells; `end` leaves the terminal as it was. */
export interface Renderer<Event> {
  show(event: Event): void
  end(): void
}

export const silent: Renderer<unknown> = { show: () => undefined, end: () => undefined }

interface Completed<Result> {
  readonly type: 'completed'
  readonly result: Result
}

/** Runs a pipeline, showing it, and gives its result. */
export function showEvents<Result, Event extends { readonly type: string }>(
  events: Observable<Event | Completed<Result>>,
  renderer: Renderer<Event | Completed<Result>>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let completed: Completed<Result> | undefined
    events.subscribe({
      next: (event) => {
        if (event.type === 'completed') completed = event as Completed<Result>
        renderer.show(event)
      },
      error: (error: unknown) => {
        renderer.end()
        reject(error)
      },
      complete: () => {
        renderer.end()
        if (completed === undefined) reject(new SluiceError('SLUICE_FAILED', 'the work ended without a result'))
        else resolve(completed.result)
      },
    })
  })
}
