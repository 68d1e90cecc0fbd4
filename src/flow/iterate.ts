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
