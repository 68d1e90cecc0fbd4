/** Bounded concurrency over a finite list of units. */
import pLimit from 'p-limit'

/**
 * Runs `work` over `items`, at most `concurrency` at a time, and gives the results in the order of the items.
 *
 * After a failure nothing new is started, but what runs is awaited, so that a finished layer is kept when another one
 * fails; then the first failure is thrown.
 */
export async function runAll<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const limit = pLimit(concurrency)
  const failures: unknown[] = []
  const results = await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failures.length > 0) return undefined
        try {
          return await work(item)
        } catch (error) {
          failures.push(error)
          return undefined
        }
      }),
    ),
  )
  if (failures.length > 0) throw failures[0]
  return results as Result[]
}
