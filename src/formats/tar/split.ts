/**
 * Tar to splitstream chunks in one pass (oci.md §2.1).
 *
 * Every byte of the archive goes to the sink once and in order, as a view of the chunk it came in: content of larger
 * files as objects, everything else inline.
 */
import { asBuffer } from '../bytes.js'
import { formatError } from '../../errors.js'
import { paddingOf } from './format.js'
import { TarScanner } from './scan.js'

/**
 * Takes the parts of a tar in order. Views are valid only during the call. Calls of `inline` that follow each other are
 * one splitstream chunk; between `beginObject` and `endObject` only `objectData` is called, `size` bytes in all.
 */
export interface TarSink {
  inline(bytes: Uint8Array): void
  /** `size` is in bytes and above 64. */
  beginObject(size: number): void
  objectData(bytes: Uint8Array): void
  endObject(): void
}

/** Splits a tar that is pushed in chunks of any size. After an error it is not to be used any more. */
export class TarSplitter {
  readonly #sink: TarSink
  readonly #scanner = new TarScanner()
  /** Bytes of the object at hand that are yet to come. */
  #objectLeft = 0

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  /** @throws SluiceError when the bytes are not a tar that can be kept (oci.md §2.2). */
  push(bytes: Uint8Array): void {
    const chunk = asBuffer(bytes)
    let at = 0
    let inlineFrom = 0
    while (at < chunk.length) {
      if (this.#objectLeft > 0) {
        at = this.#objectData(chunk, at)
        inlineFrom = at
        continue
      }
      at = this.#scanner.scan(chunk, at)
      const { entry } = this.#scanner
      if (entry === undefined) continue
      const padding = paddingOf(entry.size)
      if (entry.isExternal) {
        this.#sink.inline(chunk.subarray(inlineFrom, at))
        inlineFrom = at
        this.#objectLeft = entry.size
        this.#scanner.skip(padding)
        this.#sink.beginObject(entry.size)
      } else this.#scanner.skip(entry.size + padding)
    }
    if (inlineFrom < at) this.#sink.inline(chunk.subarray(inlineFrom, at))
  }

  /** @throws SluiceError when the archive was cut short. */
  end(): void {
    if (this.#objectLeft > 0) throw formatError('tar', `unexpected end of archive inside a file`)
    this.#scanner.end()
  }

  #objectData(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#objectLeft, chunk.length)
    this.#sink.objectData(chunk.subarray(at, end))
    this.#objectLeft -= end - at
    this.#scanner.pass(end - at)
    if (this.#objectLeft === 0) this.#sink.endObject()
    return end
  }
}
