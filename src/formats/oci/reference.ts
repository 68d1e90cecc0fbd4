/** Image references, `transport:rest` (oci.md §1.2), and the bare names that `sluice pull` takes besides. */
import { SluiceError } from '../../errors.js'
import { redactText } from '../redact.js'
import { completeName, parseNameParts, type NameParts, type RegistryName } from './registry-name.js'

/** `dir` has no tags. */
export type PathTransport = 'oci' | 'oci-archive' | 'dir'

export type ImageReference =
  | { readonly transport: 'docker'; readonly text: string; readonly name: RegistryName }
  | { readonly transport: PathTransport; readonly text: string; readonly path: string; readonly tag?: string }
  | { readonly transport: 'containers-storage'; readonly text: string; readonly rest: string }

/** A name without a transport: which registry it means is up to registries.conf. */
export interface BareName {
  readonly transport: 'bare'
  readonly text: string
  readonly parts: NameParts
}

/** Transports that the reference reaches through another program, with the way to get at such images. */
const unsupported: Readonly<Record<string, string>> = {
  'docker-archive': 'load the archive into a registry or convert it to an OCI layout first',
  'docker-daemon': "push the image to a registry, or export it from the daemon's store as an OCI layout",
}

/** Parses `transport:rest`; a name without a transport is refused, as there is no default. */
export function parseReference(text: string): ImageReference {
  const shown = JSON.stringify(redactText(text).slice(0, 400))
  const colon = text.indexOf(':')
  if (colon < 0) {
    throw new SluiceError('SLUICE_USAGE', `Missing ':' in image reference ${shown}`, {
      hint: 'write the transport, such as docker://host/name:tag or oci:directory:tag',
    })
  }
  const transport = text.slice(0, colon)
  const rest = text.slice(colon + 1)
  if (rest === '') throw new SluiceError('SLUICE_USAGE', `Invalid empty name in image reference ${shown}`)
  switch (transport) {
    case 'docker':
      if (!rest.startsWith('//')) {
        throw new SluiceError('SLUICE_USAGE', `docker: is not followed by // in image reference ${shown}`)
      }
      return { transport, text, name: completeName(parseNameParts(rest.slice(2))) }
    case 'registry':
      return { transport: 'docker', text, name: completeName(parseNameParts(rest)) }
    case 'oci':
    case 'oci-archive':
      return { transport, text, ...splitPathTag(rest) }
    case 'dir':
      return { transport, text, path: rest }
    case 'containers-storage':
      return { transport, text, rest }
    default:
      if (Object.hasOwn(unsupported, transport)) {
        throw new SluiceError('SLUICE_UNSUPPORTED', `transport ${transport} is not supported: ${shown}`, {
          hint: unsupported[transport],
        })
      }
      throw new SluiceError(
        'SLUICE_USAGE',
        `Invalid transport: ${JSON.stringify(transport.slice(0, 60))} in ${shown}`,
        {
          hint: 'an image of a registry is docker://NAME; "sluice pull" also takes just a name, and ostree:',
        },
      )
  }
}

const transports = new Set([
  'docker',
  'registry',
  'oci',
  'oci-archive',
  'dir',
  'containers-storage',
  ...Object.keys(unsupported),
])

/** Parses a reference or a bare name; what begins with a known transport is a reference. */
export function parseReferenceOrName(text: string): ImageReference | BareName {
  const colon = text.indexOf(':')
  if (colon >= 0 && transports.has(text.slice(0, colon))) return parseReference(text)
  if (/^\.{0,2}\//.test(text)) {
    throw new SluiceError('SLUICE_USAGE', `not an image name, but a path: ${JSON.stringify(text.slice(0, 400))}`, {
      hint: 'say what it is: oci:DIRECTORY, oci-archive:FILE or dir:DIRECTORY',
    })
  }
  return { transport: 'bare', text, parts: parseNameParts(text) }
}

/** The text after the last colon is the tag, unless it contains a slash. */
function splitPathTag(rest: string): { path: string; tag?: string } {
  const colon = rest.lastIndexOf(':')
  if (colon < 0 || rest.includes('/', colon)) return { path: rest }
  return { path: rest.slice(0, colon), tag: rest.slice(colon + 1) }
}
