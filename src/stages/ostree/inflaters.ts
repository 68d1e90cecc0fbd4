/** What inflates the objects of one batch, made when the first of them needs it. */
import { libdeflateUsable, WholeInflater } from '../../native/libdeflate.js'
import { rawInflater, type RawInflater } from './raw-inflater.js'

/** Those of batches that have ended: 0.4 MiB each, and an object that comes in pieces has one to itself. */
const idle: RawInflater[] = []

export class Inflaters {
  #stream: RawInflater | undefined
  #whole: WholeInflater | undefined

  /** For an object that comes in pieces; one at a time. */
  get stream(): RawInflater {
    return (this.#stream ??= idle.pop() ?? rawInflater())
  }

  /** For an object that is there as a whole; undefined where the library is missing. */
  get whole(): WholeInflater | undefined {
    return libdeflateUsable() ? (this.#whole ??= new WholeInflater()) : undefined
  }

  /** Ends the use of all of them. */
  close(): void {
    if (this.#stream !== undefined) idle.push(this.#stream)
    this.#stream = undefined
    this.#whole?.close()
    this.#whole = undefined
  }
}
