/** Memory that C is given by address, as structs with pointers in them need. */
import { call } from './libc.js'

export class PinnedBuffer {
  /** Never moves. Who has handed out the address keeps a reference until C is done with it. */
  readonly bytes: Buffer
  readonly address: number

  /** Takes `length` bytes, not cleared, outside the pool that Node's small Buffers share. */
  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length)
    // Copying nothing returns the first argument (libraries.md, "ffi-rs safety").
    this.address = call('memcpy', this.bytes, this.bytes, 0)
  }

  /** Copies what fits of `bytes` to the start, and says how much that was. */
  fill(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.bytes.length)
    this.bytes.set(bytes.length > length ? bytes.subarray(0, length) : bytes)
    return length
  }
}
