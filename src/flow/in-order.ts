/** Takes results that come in any order in the order of their beginning. */
export class InOrder {
  #tail: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  /**
   * When `work` and all work before it is done, its result goes to `take`; after a failure nothing is taken any more.
   * @param release is called when `work` is settled and taken or given up, in any case.
   */
  add<Result>(work: Promise<Result>, take: (result: Result) => Promise<void>, release: () => void): void {
    const before = this.#tail
    this.#tail = (async () => {
      try {
        const [result] = await Promise.allSettled([work, before])
        if (this.#failure !== undefined) return
        if (result.status === 'rejected') throw result.reason
        await take(result.value)
      } catch (error) {
        this.#failure ??= { error }
      } finally {
        release()
      }
    })()
  }

  /** Throws what failed, if anything has. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Waits for all; throws what failed first. */
  async end(): Promise<void> {
    await this.#tail
    this.check()
  }

  /** Waits for all, whatever becomes of it. */
  async settled(): Promise<void> {
    await this.#tail
  }
}
