/**
 * Byte strings.
 *
 * Names, link targets, xattr keys and values are bytes, not text. They are held as `ByteString`: a JavaScript string in
 * which every code unit is one byte (latin1). V8 stores it one byte a character, `<` compares it in byte order, and it
 * works as a Map key, none of which a Uint8Array does.
 */
/** A string whose code units are all 0..255, each one byte. */
export type ByteString = string

export function toByteString(bytes: Uint8Array): ByteString {
  return asBuffer(bytes).toString('latin1')
}

export function fromByteString(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1')
}

// oxlint-disable-next-line no-control-regex
const ascii = /^[\u0000-\u007f]*$/

/** The bytes of ordinary text in UTF-8, as a byte string. */
export function utf8ByteString(text: string): ByteString {
  if (ascii.test(text)) return text
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as text for people: UTF-8 where it is valid, else escaped latin1. */
export function displayByteString(text: ByteString): string {
  const bytes = fromByteString(text)
  const utf8 = bytes.toString('utf8')
  const safe = utf8.includes('\uFFFD') ? text : utf8
  // oxlint-disable-next-line no-control-regex
  return safe.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Byte order; usable with `Array.prototype.sort`. */
export function compareByteStrings(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Copies `source` to `target` at `at`, where it must have room.
 *
 * For what lies in shared memory: V8's `set` copies that word by word, and byte by byte between places that are not aligned
 * alike (18 µs for 64 KiB). A fill with one repetition is a memcpy (1 µs); below some 256 bytes both take the same.
 */
export function copyBytes(target: Buffer, source: Uint8Array, at: number): void {
  // Without bytes to fill with it would be filled with zeros.
  if (source.length > 0) target.fill(source, at, at + source.length)
}
