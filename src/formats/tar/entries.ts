/** Reads the entries of a layer back from its splitstream (oci.md §2.5). */
import { asBuffer, type ByteString } from '../bytes.js'
import type { ObjectId } from '../digest.js'
import { formatError } from '../../errors.js'
import type { Stat } from '../tree/tree.js'
import { absolutePath, emptyContent, otherEntry, regularFile, statOf, type TarEntry } from './entry.js'
import { paddingOf } from './format.js'
import type { EntryHeader } from './header.js'
import { TarScanner } from './scan.js'

export type { TarEntry } from './entry.js'

interface File {
  readonly path: ByteString
  readonly stat: Stat
}

interface InlineFile extends File {
  readonly data: Buffer
  used: number
}

interface ExternalFile extends File {
  /** Bytes. */
  readonly size: number
}

/**
 * Turns the chunks of a layer's splitstream, pushed in order and inline ones in pieces of any size, into entries.
 * After an error it is not to be used any more. What follows the end of the archive is ignored.
 */
export class TarEntryReader {
  readonly #onEntry: (entry: TarEntry) => void
  readonly #scanner = new TarScanner()
  /** An entry without content. The reference wants at least one more byte before it gives it out (oci.md §2.5). */
  #empty: TarEntry | undefined
  /** A file whose inline content is being read. */
  #inlineFile: InlineFile | undefined
  /** A file whose content must come next as an object. */
  #externalFile: ExternalFile | undefined

  constructor(onEntry: (entry: TarEntry) => void) {
    this.#onEntry = onEntry
  }

  /**
   * Bytes that the stream keeps inline; the view is not kept.
   * @throws SluiceError for malformed headers, unsupported types, and content that should be an object.
   */
  inline(bytes: Uint8Array): void {
    const chunk = asBuffer(bytes)
    let at = 0
    while (at < chunk.length) {
      if (this.#empty !== undefined) {
        this.#onEntry(this.#empty)
        this.#empty = undefined
      }
      if (this.#externalFile !== undefined) {
        throw formatError('tar', `content of ${this.#externalFile.size} bytes is inline; above 64 it is an object`)
      }
      if (this.#inlineFile !== undefined) at = this.#fillInline(this.#inlineFile, chunk, at)
      else {
        at = this.#scanner.scan(chunk, at)
        if (this.#scanner.entry !== undefined) this.#begin(this.#scanner.entry)
      }
    }
  }

  /**
   * The next `size` bytes of the stream are the object `id`.
   * @throws SluiceError when no file of that size is due.
   */
  external(id: ObjectId, size: number): void {
    if (this.#scanner.ended) return
    const file = this.#externalFile
    if (file === undefined) throw formatError('tar', `object ${id} in the middle of headers or padding`)
    if (file.size !== size) throw formatError('tar', `object ${id} has ${size} bytes for a file of ${file.size}`)
    this.#externalFile = undefined
    this.#scanner.pass(size)
    const { path, stat } = file
    this.#onEntry({ type: 'leaf', path, stat, content: { type: 'external', id, size } })
  }

  /** @throws SluiceError when the stream stops inside an entry, or right behind an entry without content. */
  end(): void {
    if ((this.#empty ?? this.#inlineFile ?? this.#externalFile) !== undefined) {
      throw formatError('tar', 'unexpected end of splitstream inside an entry')
    }
    this.#scanner.end()
  }

  /** Decides by the header what must follow; it is read here because it is gone after the next `scan`. */
  #begin(header: EntryHeader): void {
    const { size, isRegular } = header
    if (!isRegular) {
      const entry = otherEntry(header)
      if (size === 0) this.#empty = entry
      else this.#onEntry(entry)
      this.#scanner.skip(size + paddingOf(size))
      return
    }
    this.#scanner.skip(paddingOf(size))
    if (size === 0) {
      this.#empty = regularFile(header, emptyContent)
      return
    }
    const path = absolutePath(header.path)
    const stat = statOf(header)
    if (header.isExternal) this.#externalFile = { path, stat, size }
    else this.#inlineFile = { path, stat, data: Buffer.allocUnsafe(size), used: 0 }
  }

  #fillInline(file: InlineFile, chunk: Buffer, at: number): number {
    const copied = chunk.copy(file.data, file.used, at)
    file.used += copied
    this.#scanner.pass(copied)
    if (file.used === file.data.length) {
      this.#inlineFile = undefined
      const { path, stat, data } = file
      this.#onEntry({ type: 'leaf', path, stat, content: { type: 'inline', data } })
    }
    return at + copied
  }
}
