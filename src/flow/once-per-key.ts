/** Work that several wait for is done once: whoever comes first starts it, the others share its result. */
import { abortable } from './abortable.js'

interface Running<Value> {
  readonly result: Promise<Value>
  readonly controller: AbortController
  waiting: number
}

export class OncePerKey<Key, Value> {
  readonly #running = new Map<Key, Running<Value>>()

  /** Whether work for `key` is under way. */
  has(key: Key): boolean {
    return this.#running.has(key)
  }

  /**
   * The result of `work`, or of the work for the same key that is under way already. Nothing is remembered of work that has
   * ended.
   *
   * Who waits can stop waiting by `signal`, at once if others wait too. The signal that `work` gets is aborted when the
   * last one has stopped; that one waits until the work has ended.
   *
   * @throws SluiceError `SLUICE_CANCELLED`, or what the work fails with.
   */
  async run(key: Key, signal: AbortSignal, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    for (;;) {
      const running = this.#running.get(key)
      if (running === undefined) return this.#wait(this.#start(key, work), signal)
      if (!running.controller.signal.aborted) return this.#wait(running, signal)
      await abortable(
        running.result.catch(() => undefined),
        signal,
      )
    }
  }

  #start(key: Key, work: (signal: AbortSignal) => Promise<Value>): Running<Value> {
    const controller = new AbortController()
    const result = work(controller.signal).finally(() => this.#running.delete(key))
    const running = { result, controller, waiting: 0 }
    this.#running.set(key, running)
    return running
  }

  async #wait(running: Running<Value>, signal: AbortSignal): Promise<Value> {
    running.waiting++
    try {
      return await abortable(running.result, signal)
    } catch (error) {
      if (!signal.aborted || running.waiting > 1) throw error
      running.controller.abort(signal.reason)
      return await running.result
    } finally {
      running.waiting--
    }
  }
}
