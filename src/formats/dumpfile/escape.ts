/** Reading escaped fields of a dumpfile (erofs.md §9.1); writing them is in line.ts. */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'

const named: Readonly<Record<string, string>> = { '\\': '\\', n: '\n', r: '\r', t: '\t' }

/** A backslash with what makes it an escape, or alone. */
const escapes = /\\(?:x([0-9a-fA-F]{2})|([\\nrt]))?/g

/** The bytes that an escaped field stands for; refuses unknown and unfinished escapes. */
export function unescapeField(field: ByteString): ByteString {
  if (!field.includes('\\')) return field
  return field.replace(escapes, (_escape, hex: string | undefined, letter: string | undefined, at: number) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    const byte = letter === undefined ? undefined : named[letter]
    if (byte === undefined) {
      throw formatError('dumpfile', `bad escape ${JSON.stringify(field.slice(at, at + 4))} at byte ${at} of a field`)
    }
    return byte
  })
}

/** As `unescapeField`; a lone dash and an empty field mean "not set". */
export function optionalField(field: ByteString): ByteString | undefined {
  return field === '-' || field === '' ? undefined : unescapeField(field)
}
