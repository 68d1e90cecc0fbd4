/** Bounded concurrency over work that brings about more work. */
import pLimit from 'p-limit'

export class WorkQueue {
  readonly #limit: ReturnType<typeof pLimit>
  #pending = 0
  readonly #failures: unknown[] = []
  #wake: () => void = () => undefined

  /** @param concurrency work at a time. */
  constructor(concurrency: number) {
    this.#limit = pLimit(concurrency)
  }

  /** Has `work` done some time, unless something has failed by then. */
  add(work: () => Promise<void>): void {
    this.#pending++
    void this.#limit(async () => {
      try {
        if (this.#failures.length === 0) await work()
      } catch (error) {
        this.#failures.push(error)
      } finally {
        if (--this.#pending === 0) this.#wake()
      }
    })
  }

  /** Waits until nothing is left; throws what failed first. */
  async done(): Promise<void> {
    while (this.#pending > 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    if (this.#failures.length > 0) throw this.#failures[0]
  }
}
