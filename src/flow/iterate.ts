/** Handling of generators that somebody else goes on with. */

/** Passes on what `generator` gives, but leaves it open when the consumer stops early; its owner ends it. */
export async function* leaveOpen<Item>(generator: AsyncGenerator<Item>): AsyncGenerator<Item> {
  for (;;) {
    const { done, value } = await generator.next()
    if (done === true) return
    yield value
  }
}

/** Takes all that is left and drops it, for the sake of what the generator checks at its end. */
export async function readToEnd(generator: AsyncGenerator): Promise<void> {
  while ((await generator.next()).done !== true);
}

/**
 * Has the next item made while the consumer is busy with the last one. `discard` gets an item that the consumer did not
 * wait for.
 */
export async function* ahead<Item>(source: AsyncGenerator<Item>, discard: (item: Item) => void): AsyncGenerator<Item> {
  const next = (): Promise<IteratorResult<Item, unknown>> => untilItsTurn(source.next())
  let pending: Promise<IteratorResult<Item, unknown>> | undefined = next()
  try {
    for (;;) {
      const { done, value } = await pending
      pending = undefined
      if (done === true) return
      pending = next()
      yield value
    }
  } finally {
    const last = await pending?.catch(() => undefined)
    if (last?.done === false) discard(last.value)
    await source.return(undefined)
  }
}

/** Work under way. In an object, because async generators await what they yield. */
export interface Started<Result> {
  readonly result: Promise<Result>
}

/**
 * The results of the work that `source` starts, in its order, with up to `most` pieces of it under way. Asks `source` for more
 * while it waits for the first of them, but not longer: what `source` waits for may be what the consumer is to free.
 *
 * @param discard gets results that the consumer did not wait for.
 */
export async function* startedAhead<Result>(
  source: AsyncGenerator<Started<Result>>,
  most: number,
  discard: (result: Result) => void,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = []
  const start = (): Promise<IteratorResult<Started<Result>, unknown>> =>
    untilItsTurn(
      source.next().then((answer) => {
        if (answer.done !== true) void untilItsTurn(answer.value.result)
        return answer
      }),
    )
  let next: Promise<IteratorResult<Started<Result>, unknown>> | undefined = start()
  try {
    for (;;) {
      while (next !== undefined && underWay.length < most) {
        const answer: IteratorResult<Started<Result>, unknown> | undefined = await (underWay.length === 0
          ? next
          : Promise.race([next, underWay[0].then(() => undefined)]))
        if (answer === undefined) break
        if (answer.done !== true) underWay.push(answer.value.result)
        next = answer.done === true ? undefined : start()
      }
      if (underWay.length === 0) return
      const result = await underWay[0]
      void underWay.shift()
      yield result
    }
  } finally {
    const settled = (work: Promise<Result>): Promise<void> => work.then(discard, () => undefined)
    await Promise.all(underWay.map(settled))
    const last = await next?.catch(() => undefined)
    if (last?.done === false) await settled(last.value.result)
    await source.return(undefined)
  }
}

/** Nobody may be waiting when `work` fails, for which Node would end the process: the failure is thrown when it is its turn. */
function untilItsTurn<Work extends Promise<unknown>>(work: Work): Work {
  work.catch(() => undefined)
  return work
}
