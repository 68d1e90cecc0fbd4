/**
 * Fields of a header block, read from the bytes in place (oci.md §2.3).
 *
 * A layer has a hundred thousand headers, so nothing here allocates but what it returns.
 */
import { displayByteString, type ByteString } from '../bytes.js'
import { formatError, type SluiceError } from '../../errors.js'
import { field, type NumberField, type TextField } from './format.js'

const SPACE = 0x20
const PLUS = 0x2b
const ZERO = 0x30

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13)
}

function badField(block: Buffer, { at, length, name }: NumberField): SluiceError {
  const text = displayByteString(block.toString('latin1', at, at + length))
  return formatError('tar', `${name} is not an octal number: "${text}"`)
}

/** Octal text up to the first NUL, spaces around it ignored; empty is 0. At most 12 digits, so always exact. */
export function readOctal(block: Buffer, where: NumberField): number {
  let { at } = where
  let end = at
  const limit = at + where.length
  while (end < limit && block[end] !== 0) end++
  while (at < end && isSpace(block[at])) at++
  while (at < end && isSpace(block[end - 1])) end--
  if (at === end) return 0
  if (block[at] === PLUS) {
    at++
    if (at === end) throw badField(block, where)
  }
  let value = 0
  for (; at < end; at++) {
    const digit = block[at] - ZERO
    if (digit < 0 || digit > 7) throw badField(block, where)
    value = value * 8 + digit
  }
  return value
}

/** Whether the field is in GNU's base-256 form: bit 7 of the first byte. */
function isBinary(block: Buffer, where: NumberField): boolean {
  return block[where.at] >= 0x80
}

/** Mode, uid or gid: octal or base-256, cut to 32 bits. */
export function readU32(block: Buffer, where: (typeof field)['mode' | 'uid' | 'gid']): number {
  if (isBinary(block, where)) return block.readUInt32BE(where.at + where.length - 4)
  return readOctal(block, where)
}

/** Size in bytes, octal or base-256 (its low 64 bits); not exact above 2^53, where no stream can follow. */
export function readSize(block: Buffer): number {
  if (!isBinary(block, field.size)) return readOctal(block, field.size)
  const low = field.size.at + field.size.length - 4
  return block.readUInt32BE(low - 4) * 2 ** 32 + block.readUInt32BE(low)
}

/** Seconds: octal, or the low 64 bits of base-256 as a signed number. */
export function readMtime(block: Buffer): bigint {
  const { at, length } = field.mtime
  if (isBinary(block, field.mtime)) return block.readBigInt64BE(at + length - 8)
  return BigInt(readOctal(block, field.mtime))
}

/** Bytes up to the first NUL. */
export function readText(block: Buffer, { at, length }: TextField): ByteString {
  let end = at
  while (end < at + length && block[end] !== 0) end++
  return block.toString('latin1', at, end)
}

/**
 * Refuses a header whose bytes, with spaces in the checksum field, do not add up to the number in it.
 *
 * @param sum of all bytes of the block, each unsigned.
 */
export function verifyChecksum(block: Buffer, sum: number): void {
  const { at, length } = field.checksum
  let expected = sum + length * SPACE
  for (let i = at; i < at + length; i++) expected -= block[i]
  const stated = readOctal(block, field.checksum)
  if (expected !== stated) throw formatError('tar', `header checksum is ${stated}, but its bytes add up to ${expected}`)
}
