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
  const next = (): Promise<IteratorResult<Item, unknown>> => {
    const result = source.next()
    // A failure is thrown when it is its turn.
    result.catch(() => undefined)
    return result
  }
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
