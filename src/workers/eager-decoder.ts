/**
 * A decoder that goes on while its answer is on the way.
 *
 * One stream is decoded by one thread, step by step, and each question for the next step takes the way to the main thread
 * and back. When the next question can be told from the last one, as its output is full and its input is not used up, the
 * step is made before it is asked for.
 */
import type { DecoderStep } from '../native/codec-library.js'
import type { PinnedBuffer } from '../native/pinned-buffer.js'
import type { LocalDecoder } from '../stages/decompress/decoder.js'

export interface DecodeRequest {
  /** As in `DecodeTask`. */
  readonly begin: Uint8Array | undefined
  readonly input: Uint8Array
  readonly output: PinnedBuffer
  /** Where in the output to begin. */
  readonly at: number
  /** The output of the next request, from its start, should this one fill its own. */
  readonly next: PinnedBuffer | undefined
}

/** A step, and when it was made. */
export interface TimedStep {
  readonly startedAt: number
  readonly endedAt: number
  /** Throws what the step has failed with. */
  readonly result: () => DecoderStep
}

export class EagerDecoder {
  readonly #decoder: LocalDecoder
  readonly #now: () => number
  #made: TimedStep | undefined
  /** What is asked for next, as far as that is known. */
  #expected: DecodeRequest | undefined

  constructor(decoder: LocalDecoder, now: () => number) {
    this.#decoder = decoder
    this.#now = now
  }

  /** The step that is asked for, made now or before. */
  step(request: DecodeRequest): TimedStep {
    const made = this.#made ?? this.#make(request)
    this.#made = undefined
    this.#expected = this.#expect(request, made)
    return made
  }

  /** Whether there is a step to make ahead. */
  get canGoOn(): boolean {
    return this.#expected !== undefined
  }

  /** Makes the next step before it is asked for. */
  goOn(): void {
    if (this.#expected !== undefined) this.#made = this.#make(this.#expected)
    this.#expected = undefined
  }

  /** Nothing is written any more. */
  close(): void {
    this.#expected = undefined
    this.#decoder.close()
  }

  #make({ begin, input, output, at }: DecodeRequest): TimedStep {
    const startedAt = this.#now()
    let result: () => DecoderStep
    try {
      if (begin !== undefined) this.#decoder.begin(begin)
      const step = this.#decoder.step(input, output, at)
      result = () => step
    } catch (error) {
      result = () => {
        throw error
      }
    }
    return { startedAt, endedAt: this.#now(), result }
  }

  #expect({ input, output, at, next }: DecodeRequest, { result }: TimedStep): DecodeRequest | undefined {
    if (next === undefined) return undefined
    const { consumed, produced, finished } = result()
    const isFull = at + produced === output.bytes.length
    if (finished || !isFull || consumed === input.length) return undefined
    return { begin: undefined, input: input.subarray(consumed), output: next, at: 0, next: undefined }
  }
}
