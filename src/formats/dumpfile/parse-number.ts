/** Numbers of dumpfile fields (erofs.md §9.3): digits with an optional `+`, and a sign for seconds only. */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'

const U32_MAX = 0xffffffff
const U64_END = 1n << 64n
const U64_DIGITS = 20

function refuse(field: ByteString, name: string, problem: string): never {
  throw formatError('dumpfile', `${name} ${JSON.stringify(field.slice(0, 40))} ${problem}`)
}

/** 0 to 2^32 - 1. */
export function parseU32(field: ByteString, name: string, radix: 8 | 10 = 10): number {
  if (!(radix === 8 ? /^\+?[0-7]+$/ : /^\+?[0-9]+$/).test(field)) refuse(field, name, 'is not a number')
  const value = Number.parseInt(field, radix)
  return value <= U32_MAX ? value : refuse(field, name, 'does not fit 32 bits')
}

/** 0 to 2^64 - 1. */
export function parseU64(field: ByteString, name: string): bigint {
  if (!/^\+?[0-9]+$/.test(field)) refuse(field, name, 'is not a number')
  // `BigInt` takes a second for three million digits.
  const digits = field.replace(/^\+?0*(?=[0-9])/, '')
  if (digits.length > U64_DIGITS) refuse(field, name, 'does not fit 64 bits')
  const value = BigInt(digits)
  return value < U64_END ? value : refuse(field, name, 'does not fit 64 bits')
}

/** Seconds: -2^63 to 2^64 - 1, where the upper half stands for negative times, as the C tool has it. */
export function parseSeconds(field: ByteString): bigint {
  if (!field.startsWith('-')) return BigInt.asIntN(64, parseU64(field, 'MTIME'))
  const value = -parseU64(field.slice(1), 'MTIME')
  return BigInt.asIntN(64, value) === value ? value : refuse(field, 'MTIME', 'does not fit 64 bits')
}

/** 0 to 999,999,999; an integer, not a fraction: `5` is 5 ns. */
export function parseNanoseconds(field: ByteString): number {
  const value = parseU32(field, 'MTIME nanoseconds')
  return value < 1e9 ? value : refuse(field, 'MTIME nanoseconds', 'are a second or more')
}
