/** The layers of an image or artifact, each with the name a repository keeps it under and how to read it (oci.md §1.5, §1.6). */
import { SluiceError } from '../../errors.js'
import type { Digest } from '../digest.js'
import type { Descriptor } from './descriptor.js'
import { isContainerImage, layerIds } from './diff-ids.js'
import type { Manifest } from './manifest.js'
import { layerTreatment, type LayerTreatment } from './media-types.js'

export interface ImageLayer {
  /** The diff_id, or for an artifact the digest of the blob. */
  readonly id: Digest
  /** The digest of the uncompressed tar; an artifact does not state it. */
  readonly diffId: Digest | undefined
  readonly descriptor: Descriptor
  readonly treatment: LayerTreatment
}

/**
 * The layers in manifest order.
 *
 * @throws SluiceError `SLUICE_FORMAT` if manifest and config disagree; `SLUICE_UNSUPPORTED` if a container image has a
 *   layer that is no OCI tar layer: a blob that was not decoded does not deserve the name of its diff_id.
 */
export function imageLayers(manifest: Manifest, config: Uint8Array): ImageLayer[] {
  const ids = layerIds(manifest, config)
  const layers = manifest.layers.map((descriptor, i) => ({
    id: ids[i],
    diffId: isContainerImage(manifest) ? ids[i] : undefined,
    descriptor,
    treatment: layerTreatment(descriptor.mediaType),
  }))
  const opaque = isContainerImage(manifest) ? layers.find(({ treatment }) => treatment.type === 'blob') : undefined
  if (opaque === undefined) return layers
  const { digest, mediaType } = opaque.descriptor
  throw new SluiceError(
    'SLUICE_UNSUPPORTED',
    `layer ${digest} of a container image has type ${mediaType.slice(0, 200)}`,
    {
      hint: 'only OCI tar layers can become a file system; convert the image to OCI media types',
    },
  )
}
