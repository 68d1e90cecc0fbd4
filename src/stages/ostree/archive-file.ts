/** A `.filez` object as it comes, in pieces of any size: header, then the deflate stream of the content (ostree.md §2.2). */
import { formatError } from '../../errors.js'
import {
  isSymlink,
  PREFIX_LENGTH,
  readHeaderPrefix,
  readSizedZlibHeader,
  type SizedZlibHeader,
} from '../../formats/ostree/file-header.js'
import type { FileContent } from './file-batch.js'
import type { RawInflater } from './raw-inflater.js'

export class ArchiveFileReader {
  readonly #inflater: RawInflater
  readonly #open: (header: SizedZlibHeader) => FileContent
  /** What came of a header that is not complete. */
  #begun: Uint8Array = new Uint8Array(0)
  #header: SizedZlibHeader | undefined
  #content: FileContent | undefined
  #hasStream = false

  /** @param open is called with the header, once that is complete. The inflater is in use until the end. */
  constructor(inflater: RawInflater, open: (header: SizedZlibHeader) => FileContent) {
    this.#inflater = inflater
    this.#open = open
    inflater.begin()
  }

  /** Whether nothing that may follow counts. */
  get complete(): boolean {
    return this.#header !== undefined && (isSymlink(this.#header.header) || this.#inflater.finished)
  }

  /** Takes the next piece, which may be used again when this returns or the promise is settled. */
  push(piece: Uint8Array): Promise<void> | undefined {
    const rest = this.#content === undefined ? this.#readHeader(piece) : piece
    const content = this.#content
    if (content === undefined || rest.length === 0 || isSymlink(this.#header!.header)) return undefined
    this.#hasStream = true
    return this.#inflater.push(rest, (bytes) => content.write(bytes))
  }

  /** @throws SluiceError if the object was cut short, or is not what its id says. */
  end(): void {
    if (this.#header === undefined) throw formatError('filez', 'the object ends inside its header')
    const isEmpty = this.#header.header.size === 0 && !this.#hasStream
    if (!this.complete && !isEmpty) throw formatError('filez', 'the object ends inside its deflate stream')
    this.#content!.end()
  }

  abort(): void {
    this.#content?.abort()
  }

  /** Gives what follows the header. */
  #readHeader(piece: Uint8Array): Uint8Array {
    const bytes = this.#begun.length === 0 ? piece : Buffer.concat([this.#begun, piece])
    const needed = bytes.length < PREFIX_LENGTH ? PREFIX_LENGTH : PREFIX_LENGTH + readHeaderPrefix(bytes)
    if (bytes.length < needed) {
      this.#begun = Uint8Array.from(bytes)
      return new Uint8Array(0)
    }
    this.#begun = new Uint8Array(0)
    this.#header = readSizedZlibHeader(bytes)
    this.#content = this.#open(this.#header)
    return this.#header.rest
  }
}
