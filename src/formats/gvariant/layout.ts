/** Where the members of a container are, with everything checked that normal form asks of its framing (ostree.md §1.1). */
import { formatError } from '../../errors.js'
import { offsetWidth, smallestOffsetWidth } from './format.js'
import { alignUp, type GvariantType } from './type.js'

/** Bytes that are read piece by piece, as those of a file. */
export interface PieceReader {
  read(start: number, end: number): Buffer
}

/** What containers lie in. */
export type ContainerBytes = Buffer | PieceReader

/** Half-open byte range. */
export type Span = readonly [start: number, end: number]

/** Where members or elements are in the bytes: start and end of each, one after the other. */
export type Spans = readonly number[]

export function spanAt(spans: Spans, index: number): Span {
  return [spans[2 * index], spans[2 * index + 1]]
}

const malformed = (message: string) => formatError('gvariant', message)

function view(bytes: ContainerBytes, start: number, end: number): Buffer {
  return Buffer.isBuffer(bytes) ? bytes.subarray(start, end) : bytes.read(start, end)
}

/** One framing offset; above 2^53 it is inexact, and outside of any container. */
function readOffset(bytes: ContainerBytes, at: number, width: number): number {
  if (!Buffer.isBuffer(bytes)) return readOffset(bytes.read(at, at + width), 0, width)
  if (width === 1) return bytes[at]
  return width < 8 ? bytes.readUIntLE(at, width) : Number(bytes.readBigUInt64LE(at))
}

function checkWidth(body: number, count: number, width: number): void {
  if (smallestOffsetWidth(body, count) !== width) throw malformed('framing offsets are wider than needed')
}

/** Makes no view where there is no padding, as nearly everywhere. */
function checkPadding(bytes: ContainerBytes, start: number, end: number): void {
  if (end > start && view(bytes, start, end).some((byte) => byte !== 0)) throw malformed('padding is not zero')
}

/** The next multiple of `align` in the container that begins at `start`; what is between is zero and not beyond `body`. */
function skipPadding(bytes: ContainerBytes, start: number, position: number, align: number, body: number): number {
  const next = alignUp(position, align)
  if (next > body) throw malformed('a value lies outside its container')
  checkPadding(bytes, start + position, start + next)
  return next
}

/** The elements of an array whose elements are of variable size. */
export function layOutArray(element: GvariantType, bytes: ContainerBytes, start: number, end: number): Spans {
  const length = end - start
  if (length === 0) return []
  const width = offsetWidth(length)
  if (length < width) throw malformed('an array is shorter than a framing offset')
  const body = readOffset(bytes, end - width, width)
  const table = length - body
  if (table < width || table % width !== 0) throw malformed('the framing offsets of an array are damaged')
  checkWidth(body, table / width, width)
  const offsets = view(bytes, start + body, end)
  const spans: number[] = []
  let position = 0
  for (let at = 0; at < table; at += width) {
    const from = skipPadding(bytes, start, position, element.align, body)
    position = readOffset(offsets, at, width)
    if (position < from || position > body) throw malformed('the elements of an array overlap')
    spans.push(start + from, start + position)
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
export function layOutTuple(
  type: GvariantType,
  members: readonly GvariantType[],
  bytes: ContainerBytes,
  start: number,
  end: number,
): Spans {
  const length = end - start
  const width = offsetWidth(length)
  const framed = countFramed(members)
  const body = length - framed * width
  if (body < 0) throw malformed('a tuple is shorter than its framing offsets')
  if (framed > 0) checkWidth(body, framed, width)
  const spans: number[] = []
  let position = 0
  let table = end
  for (let index = 0; index < members.length; index++) {
    const member = members[index]
    const from = skipPadding(bytes, start, position, member.align, body)
    if (member.fixedSize > 0) position = from + member.fixedSize
    else if (index === members.length - 1) position = body
    else position = readOffset(bytes, (table -= width), width)
    if (position < from || position > body) throw malformed('the members of a tuple overlap')
    spans.push(start + from, start + position)
  }
  // What is left can only be the padding of a fixed size, or the one byte of the empty tuple.
  if (type.fixedSize > 0) checkPadding(bytes, start + position, start + body)
  else if (position !== body) throw malformed('a tuple holds too many bytes')
  return spans
}
