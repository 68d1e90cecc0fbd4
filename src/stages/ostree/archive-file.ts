/**
 * A `.filez` object as it comes, in pieces of any size: header, then the deflate stream of the content (ostree.md §2.2). A
 * file without content, such as a symlink, needs no stream; what follows its header must be one all the same.
 */
import { formatError } from '../../errors.js'
import { PREFIX_LENGTH, readHeaderPrefix } from '../../formats/ostree/file-header.js'
import type { FileContent } from './file-batch.js'
import { readFileHeaders, type FileHeaders } from './file-headers.js'
import type { Inflaters } from './inflaters.js'

export class ArchiveFileReader {
  readonly #inflaters: Inflaters
  readonly #open: (headers: FileHeaders) => FileContent
  /** What came of a header that is not complete. */
  #begun: Uint8Array = new Uint8Array(0)
  #headers: FileHeaders | undefined
  #content: FileContent | undefined
  #hasStream = false
  #isInflated = false

  /** @param open is called with the headers, once they are complete. The inflaters are in use until the end. */
  constructor(inflaters: Inflaters, open: (headers: FileHeaders) => FileContent) {
    this.#inflaters = inflaters
    this.#open = open
  }

  /** Whether nothing that may follow counts. */
  get complete(): boolean {
    return this.#isInflated || (this.#hasStream && this.#inflaters.stream.finished)
  }

  /** Takes an object that is there as a whole; as `push`, but at once where it can be. */
  takeWhole(object: Uint8Array): Promise<void> | undefined {
    const deflated = this.#readHeader(object)
    const content = this.#content
    const room = content?.room
    if (room === undefined || room.length === 0 || deflated.length === 0) return this.#inflate(deflated)
    // What it refuses is left to the other way, which says what is wrong.
    this.#isInflated = this.#inflaters.whole?.inflate(deflated, room) === room.length
    if (!this.#isInflated) return this.#inflate(deflated)
    content!.write(room)
    return undefined
  }

  /** Takes the next piece, which may be used again when this returns or the promise is settled. */
  push(piece: Uint8Array): Promise<void> | undefined {
    return this.#inflate(this.#content === undefined ? this.#readHeader(piece) : piece)
  }

  /** @throws SluiceError if the object was cut short, or is not what its id says. */
  end(): Promise<void> | undefined {
    if (this.complete || !this.#hasStream) return this.#end()
    const pending = this.#inflaters.stream.end()
    return pending === undefined ? this.#end() : pending.then(() => this.#end())
  }

  #end(): undefined {
    if (this.#headers === undefined) throw formatError('filez', 'the object ends inside its header')
    const isEmpty = this.#headers.size === 0 && !this.#hasStream
    if (!this.complete && !isEmpty) throw formatError('filez', 'the object ends inside its deflate stream')
    this.#content!.end()
  }

  abort(): void {
    this.#content?.abort()
  }

  #inflate(deflated: Uint8Array): Promise<void> | undefined {
    const content = this.#content
    if (content === undefined || deflated.length === 0) return undefined
    if (!this.#hasStream) this.#inflaters.stream.begin()
    this.#hasStream = true
    return this.#inflaters.stream.push(deflated, (bytes) => content.write(bytes))
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
    this.#headers = readFileHeaders(bytes)
    this.#content = this.#open(this.#headers)
    return bytes.subarray(needed)
  }
}
