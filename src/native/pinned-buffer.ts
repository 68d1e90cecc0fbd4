/** Memory that C is given by address, as structs with pointers in them need. */
import { call } from './libc.js'

export class PinnedBuffer {
  /** Never moves. Who has handed out the address keeps a reference until C is done with it. */
  readonly bytes: Buffer
  #address: number | undefined

  private constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Takes `length` bytes, not cleared, outside the pool that Node's small Buffers share. */
  static allocate(length: number): PinnedBuffer {
    return new PinnedBuffer(Buffer.allocUnsafeSlow(length))
  }

  /** Memory that is there already, and is not moved by anybody. */
  static over(bytes: Buffer): PinnedBuffer {
    return new PinnedBuffer(bytes)
  }

  /** Found on the first use: it takes a call. */
  get address(): number {
    // Copying nothing returns the first argument (libraries.md, "ffi-rs safety").
    return (this.#address ??= call('memcpy', this.bytes, this.bytes, 0))
  }
}

const addresses = new WeakMap<ArrayBufferLike, number>()

/** Where a view begins. Memory that has a buffer does not move; the first view of a buffer costs a call. */
export function addressOf({ buffer, byteOffset }: Uint8Array): number {
  let address = addresses.get(buffer)
  if (address === undefined) {
    address = PinnedBuffer.over(Buffer.from(buffer)).address
    addresses.set(buffer, address)
  }
  return address + byteOffset
}
