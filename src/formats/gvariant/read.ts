/**
 * Reading GVariant in normal form only: every value has exactly one serialisation, and nothing else is accepted
 * (ostree.md §1.1, hardening). Nothing is allocated by a stated size: a value takes at least one byte, its own or that of
 * its framing offset. Byte arrays and variants are views of the input.
 */
import { isUtf8 } from 'node:buffer'
import { formatError } from '../../errors.js'
import { asBuffer } from '../bytes.js'
import { MAX_DEPTH } from './format.js'
import { layOutArray, layOutTuple } from './layout.js'
import { isSignature, parseType, type BasicCode, type GvariantType, type Shape } from './type.js'
import type { Value, Variant } from './value.js'

const malformed = (message: string) => formatError('gvariant', message)

/** @throws SluiceError `SLUICE_FORMAT` */
export function readValue<T>(type: GvariantType<T>, bytes: Uint8Array): T {
  return readAny(type as GvariantType, asBuffer(bytes), MAX_DEPTH) as T
}

/** @param room how many more containers may be inside one another. */
function readAny(type: GvariantType, bytes: Buffer, room: number): Value {
  return readPart(type, bytes, 0, bytes.length, room)
}

/** The value in a range of `bytes`. All is read in place, without a view for each. */
function readPart(type: GvariantType, bytes: Buffer, start: number, end: number, room: number): Value {
  const { shape, fixedSize } = type
  if (fixedSize > 0 && end - start !== fixedSize) {
    throw malformed(`a value of type ${quote(type)} takes ${fixedSize} bytes, not ${end - start}`)
  }
  return shape.kind === 'basic'
    ? readBasic(shape.code, bytes, start, end)
    : readContainer(type, shape, bytes, start, end, room)
}

function readContainer(
  type: GvariantType,
  shape: Exclude<Shape, { kind: 'basic' }>,
  bytes: Buffer,
  start: number,
  end: number,
  room: number,
): Value {
  if (type.depth > room) throw malformed(`more than ${MAX_DEPTH} levels`)
  switch (shape.kind) {
    case 'variant':
      return readVariant(bytes.subarray(start, end), room - 1)
    case 'maybe':
      return readMaybe(shape.element, bytes.subarray(start, end), room - 1)
    case 'tuple':
      return readTuple(type, shape.members, bytes, start, end, room - 1)
    case 'array':
      return shape.element.fixedSize > 0
        ? readFixedArray(shape.element, bytes.subarray(start, end), room - 1)
        : readFramedArray(shape.element, bytes, start, end, room - 1)
  }
}

const quote = (type: GvariantType) => JSON.stringify(type.text.slice(0, 100))

function readBasic(code: BasicCode, bytes: Buffer, start: number, end: number): Value {
  switch (code) {
    case 'y':
      return bytes[start]
    case 'b':
      if (bytes[start] > 1) throw malformed(`a boolean is ${bytes[start]}`)
      return bytes[start] === 1
    case 'n':
      return bytes.readInt16LE(start)
    case 'q':
      return bytes.readUInt16LE(start)
    case 'i':
    case 'h':
      return bytes.readInt32LE(start)
    case 'u':
      return bytes.readUInt32LE(start)
    case 'x':
      return bytes.readBigInt64LE(start)
    case 't':
    case 'd':
      return bytes.readBigUInt64LE(start)
    default:
      return readString(code, bytes, start, end)
  }
}

const objectPath = /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/

/** Bytes of a string that is looked through faster here than by calls of native code. */
const SHORT = 64

function readString(code: 's' | 'o' | 'g', bytes: Buffer, start: number, end: number): string {
  if (!isShortAscii(bytes, start, end)) {
    if (start === end || bytes.indexOf(0, start) !== end - 1) {
      throw malformed('a string does not have exactly one zero byte, at its end')
    }
    if (!isUtf8(bytes.subarray(start, end))) throw malformed('a string is not UTF-8')
  }
  const text = bytes.toString('utf8', start, end - 1)
  if (code === 'o' && !objectPath.test(text)) throw malformed('not an object path')
  if (code === 'g' && !isSignature(text)) throw malformed('not a signature')
  return text
}

/** Whether a range is a short string of ASCII and its zero byte. */
function isShortAscii(bytes: Buffer, start: number, end: number): boolean {
  if (start === end || end - start > SHORT || bytes[end - 1] !== 0) return false
  for (let at = start; at < end - 1; at++) if (bytes[at] === 0 || bytes[at] > 0x7f) return false
  return true
}

function readVariant(bytes: Buffer, room: number): Variant {
  const zero = bytes.lastIndexOf(0)
  if (zero < 0) throw malformed('a variant has no type')
  const type = parseType(bytes.toString('latin1', zero + 1))
  const value = bytes.subarray(0, zero)
  readAny(type, value, room)
  return { type: type.text, bytes: value }
}

function readMaybe(element: GvariantType, bytes: Buffer, room: number): Value {
  if (bytes.length === 0) return []
  if (element.fixedSize > 0) return [readAny(element, bytes, room)]
  if (bytes.at(-1) !== 0) throw malformed('a maybe does not end with a zero byte')
  return [readAny(element, bytes.subarray(0, -1), room)]
}

function readFixedArray(element: GvariantType, bytes: Buffer, room: number): Value {
  if (element.text === 'y') return bytes
  const { fixedSize } = element
  if (bytes.length % fixedSize !== 0) throw malformed(`an array of ${quote(element)} ends inside an element`)
  const values: Value[] = []
  for (let at = 0; at < bytes.length; at += fixedSize) {
    values.push(readPart(element, bytes, at, at + fixedSize, room))
  }
  return values
}

function readFramedArray(element: GvariantType, bytes: Buffer, start: number, end: number, room: number): Value {
  const spans = layOutArray(element, bytes, start, end)
  const values: Value[] = []
  for (let at = 0; at < spans.length; at += 2) {
    values.push(readPart(element, bytes, spans[at], spans[at + 1], room))
  }
  return values
}

function readTuple(
  type: GvariantType,
  members: readonly GvariantType[],
  bytes: Buffer,
  start: number,
  end: number,
  room: number,
): Value {
  const spans = layOutTuple(type, members, bytes, start, end)
  const values: Value[] = []
  for (let index = 0; index < members.length; index++) {
    values.push(readPart(members[index], bytes, spans[2 * index], spans[2 * index + 1], room))
  }
  return values
}
