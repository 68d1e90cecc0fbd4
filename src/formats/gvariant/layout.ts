/** Where the members of a container are, with everything checked that normal form asks of its framing (ostree.md §1.1). */
import { formatError } from '../../errors.js'
import { offsetWidth, smallestOffsetWidth } from './format.js'
import { alignUp, type GvariantType } from './type.js'

/** A serialised container, in memory or on disk. */
export abstract class Container {
  /** Bytes. */
  abstract readonly length: number

  abstract read(start: number, end: number): Buffer

  /** One framing offset; above 2^53 it is inexact, and outside of any container. */
  offset(at: number, width: number): number {
    return readOffset(this.read(at, at + width), 0, width)
  }

  isZero(start: number, end: number): boolean {
    return isZero(this.read(start, end), 0, end - start)
  }
}

/** A range of bytes. Nothing is allocated to look into it: a system has 13,000 directories and files to be laid out. */
export class BytesContainer extends Container {
  readonly length: number
  readonly #bytes: Buffer
  readonly #start: number

  constructor(bytes: Buffer, start: number, end: number) {
    super()
    this.#bytes = bytes
    this.#start = start
    this.length = end - start
  }

  read(start: number, end: number): Buffer {
    return this.#bytes.subarray(this.#start + start, this.#start + end)
  }

  override offset(at: number, width: number): number {
    return readOffset(this.#bytes, this.#start + at, width)
  }

  override isZero(start: number, end: number): boolean {
    return isZero(this.#bytes, this.#start + start, this.#start + end)
  }
}

function readOffset(bytes: Buffer, at: number, width: number): number {
  if (width === 1) return bytes[at]
  return width < 8 ? bytes.readUIntLE(at, width) : Number(bytes.readBigUInt64LE(at))
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

/** Half-open byte range in its container. */
export type Span = readonly [start: number, end: number]

/** A part of a container. */
export class Part extends Container {
  readonly length: number
  readonly #whole: Container
  readonly #start: number

  constructor(whole: Container, [start, end]: Span) {
    super()
    this.#whole = whole
    this.#start = start
    this.length = end - start
  }

  read(start: number, end: number): Buffer {
    return this.#whole.read(this.#start + start, this.#start + end)
  }
}

/** Where members or elements are in their container: start and end of each, one after the other. */
export type Spans = readonly number[]

export function spanAt(spans: Spans, index: number): Span {
  return [spans[2 * index], spans[2 * index + 1]]
}

const malformed = (message: string) => formatError('gvariant', message)

function checkWidth(body: number, count: number, width: number): void {
  if (smallestOffsetWidth(body, count) !== width) throw malformed('framing offsets are wider than needed')
}

function checkPadding(container: Container, start: number, end: number): void {
  if (end > start && !container.isZero(start, end)) throw malformed('padding is not zero')
}

/** The next multiple of `align`; what is between is zero and not beyond `end`. */
function skipPadding(container: Container, position: number, align: number, end: number): number {
  const next = alignUp(position, align)
  if (next > end) throw malformed('a value lies outside its container')
  checkPadding(container, position, next)
  return next
}

/** The elements of an array whose elements are of variable size. */
export function layOutArray(element: GvariantType, container: Container): Spans {
  const { length } = container
  if (length === 0) return []
  const width = offsetWidth(length)
  if (length < width) throw malformed('an array is shorter than a framing offset')
  const body = container.offset(length - width, width)
  const table = length - body
  if (table < width || table % width !== 0) throw malformed('the framing offsets of an array are damaged')
  checkWidth(body, table / width, width)
  const offsets = container.read(body, length)
  const spans: number[] = []
  let position = 0
  for (let at = 0; at < table; at += width) {
    const start = skipPadding(container, position, element.align, body)
    position = readOffset(offsets, at, width)
    if (position < start || position > body) throw malformed('the elements of an array overlap')
    spans.push(start, position)
  }
  return spans
}

/** Members whose end is stored: those of variable size but the last. */
function countFramed(members: readonly GvariantType[]): number {
  let count = 0
  for (let index = 0; index < members.length - 1; index++) if (members[index].fixedSize === 0) count++
  return count
}

/** The members of a tuple or dictionary entry. */
export function layOutTuple(type: GvariantType, members: readonly GvariantType[], container: Container): Spans {
  const { length } = container
  const width = offsetWidth(length)
  const framed = countFramed(members)
  const body = length - framed * width
  if (body < 0) throw malformed('a tuple is shorter than its framing offsets')
  if (framed > 0) checkWidth(body, framed, width)
  const spans: number[] = []
  let position = 0
  let table = length
  for (let index = 0; index < members.length; index++) {
    const member = members[index]
    const start = skipPadding(container, position, member.align, body)
    if (member.fixedSize > 0) position = start + member.fixedSize
    else if (index === members.length - 1) position = body
    else position = container.offset((table -= width), width)
    if (position < start || position > body) throw malformed('the members of a tuple overlap')
    spans.push(start, position)
  }
  // What is left can only be the padding of a fixed size, or the one byte of the empty tuple.
  if (type.fixedSize > 0) checkPadding(container, position, body)
  else if (position !== body) throw malformed('a tuple holds too many bytes')
  return spans
}
