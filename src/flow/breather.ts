/** Keeps a long run of synchronous work from holding the event loop. */
import { setImmediate } from 'node:timers/promises'
import { cancelled } from '../errors.js'

/** Longest time, in milliseconds, for which timers, signals and other work have to wait. */
const LONGEST_HOLD = 20

export class Breather {
  readonly #signal: AbortSignal | undefined
  #since = performance.now()

  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /**
   * Call between steps, each a few milliseconds at most: lets the event loop run if it has waited for 20 ms.
   *
   * @throws SluiceError `SLUICE_CANCELLED` if the signal fired.
   */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since > LONGEST_HOLD) {
      await setImmediate()
      this.#since = performance.now()
    }
    if (this.#signal?.aborted === true) throw cancelled(this.#signal)
  }
}
