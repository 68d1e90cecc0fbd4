/** Arguments of delta operations: seven bits a byte, the low ones first (ostree.md §3.6). */
import { formatError } from '../../../errors.js'

const MAX_BYTES = 10

/** A cursor over a byte string of operations. */
export class OperationReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#at
  }

  byte(): number {
    if (this.atEnd) throw formatError('delta', 'the operations end inside one')
    return this.#bytes[this.#at++]
  }

  /** @throws SluiceError `SLUICE_FORMAT`: cut, too long, or 2^53 or more. */
  varint(): number {
    let value = 0
    let unit = 1
    for (let count = 0; count < MAX_BYTES; count++) {
      const byte = this.byte()
      value += (byte & 0x7f) * unit
      if (value > Number.MAX_SAFE_INTEGER) break
      if (byte < 0x80) return value
      unit *= 0x80
    }
    throw formatError('delta', 'an argument of an operation is out of range')
  }
}
