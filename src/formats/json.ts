/** What JSON and TOML documents are made of. */

/** Whether a parsed value is an object, or a table. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether a string can be written in UTF-8: an escape in JSON can be half of a character, which the reference and other tools
 * refuse in what they read.
 */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/**
 * What `key` is set to in a table of a TOML file, or in a JSON document; as for the Go tools, in whatever case it is written if
 * it is not there as it stands.
 */
export function valueInAnyCase(table: Readonly<Record<string, unknown>>, key: string): unknown {
  if (Object.hasOwn(table, key)) return table[key]
  const name = Object.keys(table).find((name) => name.toLowerCase() === key.toLowerCase())
  return name === undefined ? undefined : table[name]
}

/**
 * The first key that an object has more than once: some tools take the first value, some the last, and would see two images
 * under one digest. @param text JSON.
 */
export function repeatedKey(text: string): string | undefined {
  /** Of each object that is open its keys so far; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let isKey = false
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|[[\]{},]/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (token !== ',') {
      const key = isKey ? (JSON.parse(token) as string) : undefined
      if (key !== undefined && open.at(-1)!.has(key)) return key
      if (key !== undefined) open.at(-1)!.add(key)
      isKey = false
      continue
    }
    isKey = (token === '{' || token === ',') && open.at(-1) !== undefined
  }
  return undefined
}
