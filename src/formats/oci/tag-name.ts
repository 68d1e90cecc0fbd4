/** Tags of a repository as file names (oci.md §5.1): `%` becomes `%25`, then `/` becomes `%2F`, nothing else. */
import { SluiceError } from '../../errors.js'

/** Longest file name in bytes. */
const MAX_NAME_BYTES = 255

export function encodeTag(tag: string): string {
  return tag.replaceAll('%', '%25').replaceAll('/', '%2F')
}

/** One pass: only `%2F` and `%25` are undone, any other `%xx` stays. */
export function decodeTag(name: string): string {
  return name.replaceAll(/%2F|%25/g, (escape) => (escape === '%2F' ? '/' : '%'))
}

/** @throws SluiceError `SLUICE_USAGE` for a tag that cannot be stored or that commands would read as a digest. */
export function checkTag(tag: string): void {
  const name = encodeTag(tag)
  const problem =
    tag === '' || tag === '.' || tag === '..'
      ? 'is not a name'
      : tag.startsWith('@')
        ? 'begins with @, which marks a digest'
        : tag.includes('\0')
          ? 'contains NUL'
          : Buffer.byteLength(name) > MAX_NAME_BYTES
            ? `needs more than ${MAX_NAME_BYTES} bytes as a file name`
            : undefined
  if (problem !== undefined) {
    throw new SluiceError('SLUICE_USAGE', `tag ${JSON.stringify(tag.slice(0, 300))} ${problem}`)
  }
}
