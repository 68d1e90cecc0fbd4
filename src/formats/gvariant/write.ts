/** Writing GVariant in normal form (ostree.md §1.1). */
import { formatError } from '../../errors.js'
import { smallestOffsetWidth } from './format.js'
import { alignUp, parseType, type BasicCode, type GvariantType } from './type.js'
import type { Value, Variant } from './value.js'

/** @throws SluiceError `SLUICE_FORMAT`: a string with a zero byte. */
export function writeValue<T>(type: GvariantType<T>, value: NoInfer<T>): Buffer {
  const writer = new GvariantWriter()
  writer.any(type as GvariantType, value as Value)
  return writer.bytes()
}

/** A variant of the type `text`. */
export function variant(text: string, value: Value): Variant {
  return { type: text, bytes: writeValue(parseType(text), value) }
}

/**
 * One growing buffer for all levels: containers begin at multiples of their alignment, so positions in the buffer are
 * aligned when positions in the container are.
 */
class GvariantWriter {
  #buffer = Buffer.alloc(256)
  #used = 0

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#used)
  }

  any(type: GvariantType, value: Value): void {
    const { shape } = type
    if (shape.kind === 'basic') this.#basic(shape.code, value)
    else if (shape.kind === 'variant') this.#variant(value as Variant)
    else if (value instanceof Uint8Array) this.#append(value)
    else if (shape.kind === 'tuple') this.#tuple(type, shape.members, value as readonly Value[])
    else if (shape.kind === 'array') this.#array(shape.element, value as readonly Value[])
    else this.#maybe(shape.element, value as readonly Value[])
  }

  #basic(code: BasicCode, value: Value): void {
    const at = this.#used
    switch (code) {
      case 'y':
      case 'b':
        this.#room(1).writeUInt8(Number(value), at)
        return
      case 'n':
        this.#room(2).writeInt16LE(value as number, at)
        return
      case 'q':
        this.#room(2).writeUInt16LE(value as number, at)
        return
      case 'i':
      case 'h':
        this.#room(4).writeInt32LE(value as number, at)
        return
      case 'u':
        this.#room(4).writeUInt32LE(value as number, at)
        return
      case 'x':
        this.#room(8).writeBigInt64LE(value as bigint, at)
        return
      case 't':
      case 'd':
        this.#room(8).writeBigUInt64LE(value as bigint, at)
        return
      default:
        if ((value as string).includes('\0')) throw formatError('gvariant', 'a string holds a zero byte')
        this.#append(Buffer.from(value as string, 'utf8'))
        this.#take(1)
    }
  }

  #variant({ type, bytes }: Variant): void {
    this.#append(bytes)
    this.#take(1)
    this.#append(Buffer.from(type, 'latin1'))
  }

  #maybe(element: GvariantType, value: readonly Value[]): void {
    if (value.length === 0) return
    this.any(element, value[0])
    if (element.fixedSize === 0) this.#take(1)
  }

  #array(element: GvariantType, values: readonly Value[]): void {
    const start = this.#used
    const ends: number[] = []
    for (const value of values) {
      this.#pad(element.align)
      this.any(element, value)
      if (element.fixedSize === 0) ends.push(this.#used - start)
    }
    this.#offsets(start, ends)
  }

  #tuple(type: GvariantType, members: readonly GvariantType[], values: readonly Value[]): void {
    const start = this.#used
    const ends: number[] = []
    for (const [index, member] of members.entries()) {
      this.#pad(member.align)
      this.any(member, values[index])
      if (member.fixedSize === 0 && index < members.length - 1) ends.unshift(this.#used - start)
    }
    if (type.fixedSize > 0) this.#take(start + type.fixedSize - this.#used)
    this.#offsets(start, ends)
  }

  #offsets(start: number, ends: readonly number[]): void {
    const width = smallestOffsetWidth(this.#used - start, ends.length)
    for (const end of ends) {
      const at = this.#take(width)
      if (width < 8) this.#buffer.writeUIntLE(end, at, width)
      else this.#buffer.writeBigUInt64LE(BigInt(end), at)
    }
  }

  #pad(align: number): void {
    this.#take(alignUp(this.#used, align) - this.#used)
  }

  #append(bytes: Uint8Array): void {
    const at = this.#take(bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** The buffer, with `length` more bytes in it. */
  #room(length: number): Buffer {
    this.#take(length)
    return this.#buffer
  }

  /** Makes `length` more bytes, all zero, part of the value; gives where they begin. */
  #take(length: number): number {
    const start = this.#used
    this.#used += length
    if (this.#used > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#used, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer = larger
    }
    return start
  }
}
