/** Names inside a repository (repository.md §2.6), checked before the disk is touched. */
import { SluiceError } from '../errors.js'
import type { ErofsVersion } from '../formats/erofs/format.js'

export type Category = 'images' | 'streams'

/** Content ids: the first-level names below `streams/`. */
export const streamName = {
  manifest: (digest: string) => `oci-manifest-${digest}`,
  config: (digest: string) => `oci-config-${digest}`,
  /** By diff_id, or by blob digest for a layer of an artifact. */
  layer: (digest: string) => `oci-layer-${digest}`,
}

/** The digest in the name of a manifest's stream, as it stands there; undefined if the name is that of another stream. */
export function manifestOfStreamName(name: string): string | undefined {
  const prefix = streamName.manifest('')
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined
}

/** The longest file name of every Linux file system in use, in bytes. */
const NAME_MAX = 255

/**
 * Refuses names that could leave their category: empty, absolute, with NUL, an empty, `.` or `..` component, or one too long.
 *
 * @param what the kind of name, for the message.
 */
export function checkName(name: string, what: string): void {
  const bad = (why: string) => new SluiceError('SLUICE_USAGE', `${what} ${JSON.stringify(name)} is not allowed: ${why}`)
  if (name === '') throw bad('it is empty')
  if (name.includes('\0')) throw bad('it holds a NUL byte')
  for (const component of name.split('/')) {
    if (component === '') throw bad('a part of it is empty')
    if (component === '.' || component === '..') throw bad(`"${component}" may not be a part of it`)
    if (Buffer.byteLength(component) > NAME_MAX) throw bad(`a part of it is longer than ${NAME_MAX} bytes`)
  }
}

/** The named ref under which a config stream refers to its image; V0 and V1 share one (oci.md §3.2). */
export function imageRefName(version: ErofsVersion): string {
  return version === 2 ? 'composefs.image' : 'composefs.image.v1'
}

/** The same for the image to boot from, which only the reference makes. */
export function bootImageRefName(version: ErofsVersion): string {
  return version === 2 ? 'composefs.image.boot' : 'composefs.image.boot.v1'
}
