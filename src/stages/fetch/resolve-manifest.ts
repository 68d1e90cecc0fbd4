/** From the bytes of a chosen manifest to what a pull works with. */
import type { Digest } from '../../formats/digest.js'
import { convertDockerManifest } from '../../formats/oci/docker-schema2.js'
import { parseManifest, schema1Refused } from '../../formats/oci/manifest.js'
import { documentKind } from '../../formats/oci/media-types.js'
import { formatError } from '../../errors.js'
import { quote } from '../../formats/quote.js'
import type { ResolvedManifest } from './image-source.js'

/** `digest` has been verified; Docker schema 2 is converted (oci.md §1.8), anything but a manifest refused. */
export function resolveManifest(bytes: Buffer, digest: Digest, mediaType: string, where: string): ResolvedManifest {
  const document = `${where}: manifest ${digest}`
  switch (documentKind(mediaType)) {
    case 'manifest':
      return { bytes, digest, manifest: parseManifest(bytes, document) }
    case 'docker-manifest':
      return { ...convertDockerManifest(parseManifest(bytes, document), document), convertedFrom: digest }
    case 'docker-schema1':
      throw schema1Refused(document)
    default:
      throw formatError(document, `media type ${quote(mediaType)} is not that of an image manifest`)
  }
}
