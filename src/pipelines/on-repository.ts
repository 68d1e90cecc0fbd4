import type { Observable } from 'rxjs'
import { coldFrom } from '../flow/cold.js'
import type { Repository } from '../repository/repository.js'

/** `coldFrom` for work on a repository, which no collection comes into and whose lock stays until the work has ended. */
export function onRepository<Event>(
  repository: Repository,
  outer: AbortSignal | undefined,
  work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<void>,
): Observable<Event> {
  return coldFrom<Event>((emit, signal) => repository.during(() => work(emit, signal), signal), outer)
}
