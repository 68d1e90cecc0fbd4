import type { Observable } from 'rxjs'
import { lastValueFrom } from 'rxjs/internal/lastValueFrom'
import { SluiceError } from '../errors.js'

interface Completed<Result> {
  readonly type: 'completed'
  readonly result: Result
}

/** The promise form of a pipeline, whose last event is `completed`. @param what it is, for errors. */
export async function resultOf<Result>(
  events: Observable<{ readonly type: string } | Completed<Result>>,
  what: string,
): Promise<Result> {
  const last = await lastValueFrom(events)
  if (last.type === 'completed') return (last as Completed<Result>).result
  throw new SluiceError('SLUICE_FAILED', `the ${what} ended without a result`)
}
