/** Tables of configuration files in TOML. */

/**
 * What `key` is set to in a table; as for the Go tools, in whatever case it is written if it is not there as it
 * stands. @param key in lower case.
 */
export function tomlValue(table: Readonly<Record<string, unknown>>, key: string): unknown {
  if (Object.hasOwn(table, key)) return table[key]
  const name = Object.keys(table).find((name) => name.toLowerCase() === key)
  return name === undefined ? undefined : table[name]
}
