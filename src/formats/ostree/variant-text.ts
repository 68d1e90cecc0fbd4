/** Values of commit metadata as one line of text (ostree.md §6, `inspect --metadata`). */
import { asBuffer } from '../bytes.js'
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import type { Value, Variant } from '../gvariant/value.js'

const texts: Readonly<Record<string, (value: Value) => string>> = {
  s: String,
  b: String,
  u: String,
  t: String,
  as: (value) => `[${(value as readonly string[]).join(', ')}]`,
}

/** Text, numbers without sign, lists of text; bytes in hex; of other types `<TYPE:HEX>` with the serialised value. */
export function variantText({ type, bytes }: Variant): string {
  const hex = () => asBuffer(bytes).toString('hex')
  if (type === 'ay') return hex()
  return texts[type]?.(readValue(parseType(type), bytes)) ?? `<${type}:${hex()}>`
}
