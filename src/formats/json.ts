/** What JSON and TOML documents are made of. */

/** Whether a parsed value is an object, or a table. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
