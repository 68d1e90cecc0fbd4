/** The names under which a repository keeps the layers of an image or artifact (oci.md §1.5). */
import { formatError } from '../../errors.js'
import type { Digest } from '../digest.js'
import { parseConfig } from './config.js'
import type { Manifest } from './manifest.js'
import { MediaType } from './media-types.js'

/** Whether a config of this type makes its manifest a container image; with any other it is an artifact. */
export function isImageConfig(mediaType: string): boolean {
  return mediaType === MediaType.ociConfig
}

/**
 * Whether a manifest is that of a container image, which has a file system, rather than of an artifact. Pulls convert
 * Docker manifests; those that came from a containers-storage are kept as they are (containers-storage.md §3.2).
 */
export function isContainerImage({ mediaType, config }: Manifest): boolean {
  const isDocker = mediaType === MediaType.dockerManifest && config.mediaType === MediaType.dockerConfig
  return isDocker || isImageConfig(config.mediaType)
}

/**
 * The identifiers of a manifest's layers, in its order: the diff ids of its config, or for an artifact the digests of the
 * blobs as stored, compressed or not.
 *
 * @throws SluiceError `SLUICE_FORMAT` if the config does not have one diff id for each layer.
 */
export function layerIds(manifest: Manifest, config: Uint8Array): Digest[] {
  if (!isContainerImage(manifest)) return manifest.layers.map(({ digest }) => digest)
  const document = `config ${manifest.config.digest}`
  const { diffIds } = parseConfig(config, document)
  if (diffIds.length !== manifest.layers.length) {
    throw formatError(document, `${diffIds.length} diff ids, but the manifest has ${manifest.layers.length} layers`)
  }
  return [...diffIds]
}
