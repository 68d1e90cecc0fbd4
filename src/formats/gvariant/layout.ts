/** Where the members of a container are, with everything checked that normal form asks of its framing (ostree.md §1.1). */
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'
import { offsetWidth, smallestOffsetWidth } from './format.js'
import { alignUp, type GvariantType } from './type.js'

/** A serialised container, in memory or on disk. */
export interface Container {
  /** Bytes. */
  readonly length: number
  read(start: number, end: number): Buffer
}

/** Half-open byte range in its container. */
export type Span = readonly [start: number, end: number]

const malformed = (message: string) => formatError('gvariant', message)

export function inMemory(bytes: Uint8Array): Container {
  const buffer = asBuffer(bytes)
  return { length: buffer.length, read: (start, end) => buffer.subarray(start, end) }
}

/** A part of a container. */
export function within(container: Container, [start, end]: Span): Container {
  return { length: end - start, read: (from, to) => container.read(start + from, start + to) }
}

/** One framing offset; above 2^53 it is inexact, and outside of any container. */
function readOffset(container: Container, at: number, width: number): number {
  const bytes = container.read(at, at + width)
  return width < 8 ? bytes.readUIntLE(0, width) : Number(bytes.readBigUInt64LE(0))
}

function checkWidth(body: number, count: number, width: number): void {
  if (smallestOffsetWidth(body, count) !== width) throw malformed('framing offsets are wider than needed')
}

function checkPadding(container: Container, start: number, end: number): void {
  if (end > start && container.read(start, end).some((byte) => byte !== 0)) throw malformed('padding is not zero')
}

/** The next multiple of `align`; what is between is zero and not beyond `end`. */
function skipPadding(container: Container, position: number, align: number, end: number): number {
  const next = alignUp(position, align)
  if (next > end) throw malformed('a value lies outside its container')
  checkPadding(container, position, next)
  return next
}

/** The elements of an array whose elements are of variable size. */
export function layOutArray(element: GvariantType, container: Container): Span[] {
  const { length } = container
  if (length === 0) return []
  const width = offsetWidth(length)
  if (length < width) throw malformed('an array is shorter than a framing offset')
  const body = readOffset(container, length - width, width)
  const table = length - body
  if (table < width || table % width !== 0) throw malformed('the framing offsets of an array are damaged')
  checkWidth(body, table / width, width)
  const offsets = inMemory(container.read(body, length))
  const spans: Span[] = []
  let position = 0
  for (let at = 0; at < table; at += width) {
    const start = skipPadding(container, position, element.align, body)
    position = readOffset(offsets, at, width)
    if (position < start || position > body) throw malformed('the elements of an array overlap')
    spans.push([start, position])
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
export function layOutTuple(type: GvariantType, members: readonly GvariantType[], container: Container): Span[] {
  const { length } = container
  const width = offsetWidth(length)
  const framed = countFramed(members)
  const body = length - framed * width
  if (body < 0) throw malformed('a tuple is shorter than its framing offsets')
  if (framed > 0) checkWidth(body, framed, width)
  const spans: Span[] = []
  let position = 0
  let table = length
  for (const [index, member] of members.entries()) {
    const start = skipPadding(container, position, member.align, body)
    if (member.fixedSize > 0) position = start + member.fixedSize
    else if (index === members.length - 1) position = body
    else position = readOffset(container, (table -= width), width)
    if (position < start || position > body) throw malformed('the members of a tuple overlap')
    spans.push([start, position])
  }
  // What is left can only be the padding of a fixed size, or the one byte of the empty tuple.
  if (type.fixedSize > 0) checkPadding(container, position, body)
  else if (position !== body) throw malformed('a tuple holds too many bytes')
  return spans
}
