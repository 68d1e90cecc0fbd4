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

/** The same for content that is read piece by piece: until its reader has all of it, or leaves it. */
export async function* readFromRepository<Piece>(
  repository: Repository,
  read: () => AsyncIterable<Piece>,
  signal?: AbortSignal,
): AsyncGenerator<Piece> {
  let leave = () => {}
  const left = new Promise<void>((resolve) => (leave = resolve))
  await new Promise<void>((resolve, reject) => {
    const holding = () => {
      resolve()
      return left
    }
    repository.during(holding, signal).catch(reject)
  })
  try {
    yield* read()
  } finally {
    leave()
  }
}
