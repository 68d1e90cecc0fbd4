/** Layers whose names say nothing that can be checked: those of artifacts that were compressed tars. */
import { SluiceError } from '../../errors.js'
import type { Breather } from '../../flow/breather.js'
import { parseDigest, type Digest } from '../../formats/digest.js'
import { isContainerImage } from '../../formats/oci/diff-ids.js'
import { parseManifest, type Manifest } from '../../formats/oci/manifest.js'
import { layerTreatment } from '../../formats/oci/media-types.js'
import { manifestOfStreamName } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'
import { findStoredDocument } from '../../repository/stored-image.js'

/**
 * The digests of compressed tars in all stored artifacts. Such a layer is kept as its tar, under the digest of the blob
 * (oci.md §1.6), and a blob of that digest cannot be made of it again.
 */
export async function listCompressedLayers(repository: Repository, breather: Breather): Promise<Set<Digest>> {
  const digests = new Set<Digest>()
  for (const { name } of repository.streams.entries()) {
    const stated = manifestOfStreamName(name)
    if (stated === undefined) continue
    await breather.breathe()
    const manifest = readManifest(repository, stated)
    if (manifest === undefined || isContainerImage(manifest)) continue
    for (const { digest, mediaType } of manifest.layers) {
      const treatment = layerTreatment(mediaType)
      if (treatment.type === 'tar' && treatment.compression !== 'none') digests.add(digest)
    }
  }
  return digests
}

/** Undefined if it cannot be read, which other checks tell. */
function readManifest(repository: Repository, digest: string): Manifest | undefined {
  try {
    const document = findStoredDocument(repository, 'manifest', parseDigest(digest))
    return document && parseManifest(document.bytes, `manifest ${digest}`)
  } catch (error) {
    if (error instanceof SluiceError) return undefined
    throw error
  }
}
