/** Image manifests and indexes, OCI and Docker schema 2. */
import { SluiceError } from '../../errors.js'
import { parseDescriptor, type Descriptor } from './descriptor.js'
import { parseJsonObject, type JsonFields } from './json-fields.js'
import { documentKind, MediaType, type DocumentKind } from './media-types.js'

export interface Manifest {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations: ReadonlyMap<string, string>
}

export interface ImageIndex {
  readonly mediaType?: string
  readonly manifests: readonly Descriptor[]
  readonly annotations: ReadonlyMap<string, string>
}

/**
 * Parses a manifest; `schemaVersion`, `config` and `layers` are required, `mediaType` is not (oci.md §1.3, §1.4).
 *
 * @param document name for errors.
 */
export function parseManifest(bytes: Uint8Array, document: string): Manifest {
  const fields = parseVersioned(bytes, document)
  const artifactType = fields.optionalString('artifactType')
  const subject = fields.optionalObject('subject')
  return {
    ...mediaTypeOf(fields, ['manifest', 'docker-manifest'], 'a manifest'),
    ...(artifactType === undefined ? {} : { artifactType }),
    config: parseDescriptor(fields.object('config')),
    layers: fields.objects('layers').map(parseDescriptor),
    ...(subject === undefined ? {} : { subject: parseDescriptor(subject) }),
    annotations: fields.optionalStringMap('annotations') ?? new Map(),
  }
}

/** Parses an index or a manifest list; what it says of a subject is not used, but has to be one, as for the reference. */
export function parseIndex(bytes: Uint8Array, document: string): ImageIndex {
  const fields = parseVersioned(bytes, document)
  fields.optionalString('artifactType')
  const subject = fields.optionalObject('subject')
  if (subject !== undefined) parseDescriptor(subject)
  return {
    ...mediaTypeOf(fields, ['index', 'docker-index'], 'an image index'),
    manifests: fields.objects('manifests').map(parseDescriptor),
    annotations: fields.optionalStringMap('annotations') ?? new Map(),
  }
}

/**
 * The media type of a fetched document. What the document says of itself counts before what the server says of it; a
 * document that says nothing is judged by its fields. One that is both an index and a manifest is refused: two tools
 * could read two images from one digest.
 */
export function documentMediaType(bytes: Uint8Array, contentType: string | undefined, document: string): string {
  const fields = parseJsonObject(bytes, document)
  const isIndex = fields.has('manifests')
  const isManifest = fields.has('config') || fields.has('layers')
  if (isIndex && isManifest) throw fields.error('the document is both an index and a manifest')
  const stated = fields.optionalString('mediaType')
  if (stated !== undefined) return stated
  if (fields.has('schemaVersion') && fields.integer('schemaVersion') === 1) return MediaType.dockerManifestV1
  if (contentType !== undefined && documentKind(contentType) !== 'other') return contentType
  return isIndex ? MediaType.ociIndex : MediaType.ociManifest
}

function parseVersioned(bytes: Uint8Array, document: string): JsonFields {
  const fields = parseJsonObject(bytes, document)
  const version = fields.integer('schemaVersion')
  if (version === 1) throw schema1Refused(document)
  if (version !== 2) throw fields.error(`schemaVersion is ${version}, not 2`)
  return fields
}

export function schema1Refused(document: string): SluiceError {
  return new SluiceError('SLUICE_UNSUPPORTED', `${document}: a Docker schema 1 manifest`, {
    hint: 'this format is obsolete; push the image again with a current tool',
  })
}

function mediaTypeOf(fields: JsonFields, kinds: readonly DocumentKind[], what: string): { mediaType?: string } {
  const mediaType = fields.optionalString('mediaType')
  if (mediaType === undefined) return {}
  if (!kinds.includes(documentKind(mediaType))) throw fields.error(`mediaType is ${mediaType}, not that of ${what}`)
  return { mediaType }
}
