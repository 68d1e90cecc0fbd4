/** One extended attribute of an image, and how it is written (erofs.md §5.1). */
import { compareByteStrings, toByteString, type ByteString } from '../bytes.js'
import type { ObjectId } from '../digest.js'
import { roundUp } from './format.js'
import type { Image } from './image.js'
import { metacopyLength, writeMetacopy } from './metacopy.js'

/** Offset in the header of an entry. */
const VALUE_LENGTH = 2
const SLASH = 0x2f

/** A key split at its prefix. */
export interface XattrName {
  readonly key: ByteString
  readonly prefix: number
  readonly suffix: ByteString
  /** Its bit of the name filter. */
  readonly filterBit: number
  /** What every entry begins with: its header, with the length of the value left 0, and the suffix. */
  readonly head: Uint8Array
}

/** How a value is made of what the pool keeps of it. */
export interface ValueForm<Source extends ByteString = ByteString> {
  length(source: Source): number
  write(source: Source, bytes: Buffer, at: number): void
}

export const plainValue: ValueForm = {
  length: (value) => value.length,
  write: (value, bytes, at) => bytes.write(value, at, 'latin1'),
}

/** The digest of an object. */
export const metacopyValue: ValueForm<ObjectId> = { length: metacopyLength, write: writeMetacopy }

/** `/xx/rest`, the path of an object. */
export const redirectValue: ValueForm<ObjectId> = {
  length: (id) => id.length + 2,
  write(id, bytes, at) {
    // One write, and no string for each path: the first two digits then move forward.
    bytes.write(id, at + 2, 'latin1')
    bytes[at + 1] = bytes[at + 2]
    bytes[at + 2] = bytes[at + 3]
    bytes[at] = bytes[at + 3] = SLASH
  },
}

/** One (key, value) pair of an image. */
export class Xattr {
  readonly name: XattrName
  readonly valueLength: number
  /** Inodes that have it. */
  uses = 0
  /** Offset in the shared table; -1 when it is not in there. */
  tableOffset = -1
  readonly #form: ValueForm
  readonly #source: ByteString

  /** `source` is what `form` makes the value of when it is wanted: all those values would take much memory. */
  constructor(name: XattrName, form: ValueForm, source: ByteString) {
    this.name = name
    this.valueLength = form.length(source)
    this.#form = form
    this.#source = source
  }

  /** Bytes of the entry, padding included. */
  get entrySize(): number {
    return roundUp(this.name.head.length + this.valueLength, 4)
  }

  /** Writes the entry and returns where the next one begins. */
  write({ bytes, view }: Image, at: number): number {
    const { head } = this.name
    bytes.set(head, at)
    view.setUint16(at + VALUE_LENGTH, this.valueLength, true)
    this.#form.write(this.#source, bytes, at + head.length)
    return at + this.entrySize
  }

  /** Byte order of the values. */
  compareValue(other: Xattr): number {
    // Each form keeps the order of sources whose values have one length.
    return this.#form === other.#form && this.valueLength === other.valueLength
      ? compareByteStrings(this.#source, other.#source)
      : compareByteStrings(this.#value(), other.#value())
  }

  #value(): ByteString {
    const value = Buffer.alloc(this.valueLength)
    this.#form.write(this.#source, value, 0)
    return toByteString(value)
  }
}
