/** Bytes of a blob of which it is an error that they end. */
import type { SluiceError } from '../../errors.js'
import type { Compression } from '../../formats/oci/media-types.js'
import { ByteReader } from './byte-reader.js'
import { compressionError } from './compression-error.js'

export class CompressedReader extends ByteReader {
  readonly #compression: Compression

  constructor(source: AsyncIterable<Uint8Array>, compression: Compression) {
    super(source)
    this.#compression = compression
  }

  /** Fills `target`. */
  async need(target: Uint8Array): Promise<void> {
    if (!(await this.fill(target, target.length))) throw this.cutShort()
  }

  /** Waits until bytes are available. */
  async needSome(): Promise<void> {
    if (await this.atEnd()) throw this.cutShort()
  }

  error(message: string): SluiceError {
    return compressionError(this.#compression, message)
  }

  cutShort(): SluiceError {
    return this.error(`the data is cut short after ${this.position} bytes`)
  }
}
