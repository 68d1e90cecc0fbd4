/** Key files: the INI form of repository and remote configuration (ostree.md §2.1, §3.8). */
import { SluiceError } from '../../errors.js'

/** Groups by name, each with its keys; a group or key that occurs twice continues, the last value counts. */
export type KeyFile = ReadonlyMap<string, ReadonlyMap<string, string>>

/**
 * Comments begin with `#` or `;`, white space around keys and values does not count.
 *
 * @throws SluiceError `SLUICE_CONFIG`: a line that is none of these, with its number.
 */
export function parseKeyFile(text: string, where: string): KeyFile {
  const groups = new Map<string, Map<string, string>>()
  let group: Map<string, string> | undefined
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    if (line.startsWith('[') && line.endsWith(']')) {
      const name = line.slice(1, -1)
      group = groups.get(name) ?? new Map<string, string>()
      groups.set(name, group)
      continue
    }
    const equals = line.indexOf('=')
    if (equals <= 0 || group === undefined) {
      throw new SluiceError('SLUICE_CONFIG', `${where}: line ${index + 1} is neither a group nor a key of one`)
    }
    group.set(line.slice(0, equals).trimEnd(), line.slice(equals + 1).trimStart())
  }
  return groups
}

/** The items of a list, separated by `;` or `,`. */
export function keyFileList(value: string): string[] {
  return value
    .split(/[;,]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** @throws SluiceError `SLUICE_CONFIG` */
export function keyFileBoolean(value: string, where: string): boolean {
  if (['true', 'yes', '1'].includes(value.toLowerCase())) return true
  if (['false', 'no', '0'].includes(value.toLowerCase())) return false
  throw new SluiceError('SLUICE_CONFIG', `${where}: ${JSON.stringify(value.slice(0, 100))} is neither true nor false`)
}
