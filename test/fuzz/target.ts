/** What is fuzzed: a decoder with the inputs it begins from. */
import type { Random } from './random.js'

export interface Target {
  readonly name: string
  /** Share of the inputs, relative to the other targets. */
  readonly weight: number
  /** Largest input, in bytes. */
  readonly limit: number
  readonly seeds: readonly Buffer[]
  /** An input made from nothing: it gets deeper than damage to a seed does. */
  readonly generate?: (random: Random) => Buffer
  /** Makes damaged input pass the first checks again. */
  readonly repair?: (input: Buffer, random: Random) => Buffer
  /**
   * Decodes. A `SluiceError` means that the input was refused; anything else that is thrown is a bug. What is accepted
   * must survive its round trip, which is asserted here.
   */
  readonly run: (input: Buffer, random: Random) => void | Promise<void>
}
