/**
 * Tar to splitstream chunks in one pass (oci.md §2.1).
 *
 * Every byte of the archive goes to the sink once and in order, as a view of the chunk it came in: content of larger
 * files as objects, everything else inline.
 */
import { asBuffer } from '../bytes.js'
import { formatError } from '../../errors.js'
import { paddingOf } from './format.js'
import type { EntryHeader } from './header.js'
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
  /** Is told of the entries, if anybody wants to know them. */
  readonly entries?: EntrySink | undefined
}

/** Takes the entries of a tar, in order. What it is given is valid only during the call. */
export interface EntrySink {
  begin(header: EntryHeader): void
  /** A piece of the content of a regular file that stays inline, which has begun last. */
  content(bytes: Uint8Array): void
  /** The archive has ended; `behindHeader`: right behind that of an entry without content, which needs one more byte (oci.md §2.5). */
  end(behindHeader: boolean): void
}

/** Splits a tar that is pushed in chunks of any size. After an error it is not to be used any more. */
export class TarSplitter {
  readonly #sink: TarSink
  readonly #scanner = new TarScanner()
  /** Whether the content at hand becomes an object; else it stays inline. */
  #isObject = false
  /** Bytes of that content that are yet to come; of inline content only if somebody wants it. */
  #contentLeft = 0

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  /** @throws SluiceError when the bytes are not a tar that can be kept (oci.md §2.2). */
  push(bytes: Uint8Array): void {
    const chunk = asBuffer(bytes)
    let at = 0
    let inlineFrom = 0
    while (at < chunk.length) {
      if (this.#contentLeft > 0) {
        at = this.#content(chunk, at)
        if (this.#isObject) inlineFrom = at
        continue
      }
      at = this.#scanner.scan(chunk, at)
      const { entry } = this.#scanner
      if (entry === undefined) continue
      this.#sink.entries?.begin(entry)
      this.#isObject = entry.isExternal
      if (this.#isObject) {
        this.#sink.inline(chunk.subarray(inlineFrom, at))
        inlineFrom = at
        this.#sink.beginObject(entry.size)
      }
      const isWanted = this.#isObject || (entry.isRegular && this.#sink.entries !== undefined)
      this.#contentLeft = isWanted ? entry.size : 0
      this.#scanner.skip(entry.size - this.#contentLeft + paddingOf(entry.size))
    }
    if (inlineFrom < at) this.#sink.inline(chunk.subarray(inlineFrom, at))
  }

  /** @throws SluiceError when the archive was cut short. */
  end(): void {
    if (this.#contentLeft > 0) throw formatError('tar', `unexpected end of archive inside a file`)
    this.#scanner.end()
    this.#sink.entries?.end(this.#scanner.entry?.size === 0)
  }

  #content(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#contentLeft, chunk.length)
    const bytes = chunk.subarray(at, end)
    this.#contentLeft -= bytes.length
    this.#scanner.pass(bytes.length)
    if (!this.#isObject) this.#sink.entries?.content(bytes)
    else {
      this.#sink.objectData(bytes)
      if (this.#contentLeft === 0) this.#sink.endObject()
    }
    return end
  }
}
