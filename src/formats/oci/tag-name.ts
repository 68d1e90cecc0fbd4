/** Tags of a repository, and as file names (oci.md §5.1). */
import { SluiceError } from '../../errors.js'
import { encodeRefName } from '../ref-file-name.js'

/** Longest file name in bytes. */
const MAX_NAME_BYTES = 255

/** @throws SluiceError `SLUICE_USAGE` for a tag that cannot be stored or that commands would read as a digest. */
export function checkTag(tag: string): void {
  const name = encodeRefName(tag)
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
