/** Integers that ostree swaps by hand before it serialises them: big-endian in bytes, little-endian to GVariant (ostree.md §1.1). */

export function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}

const scratch = Buffer.alloc(8)

export function swap64(value: bigint): bigint {
  scratch.writeBigUInt64LE(value)
  return scratch.readBigUInt64BE()
}
