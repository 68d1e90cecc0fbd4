/** What JSON and TOML documents are made of. */

/** Whether a parsed value is an object, or a table. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
