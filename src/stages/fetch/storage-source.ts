/** An image of a local containers-storage as a source: documents as they are, layers as files of this host. */
import { SluiceError } from '../../errors.js'
import type { Digest } from '../../formats/digest.js'
import { convertDockerManifest } from '../../formats/oci/docker-schema2.js'
import type { Descriptor } from '../../formats/oci/descriptor.js'
import { parseManifest } from '../../formats/oci/manifest.js'
import { documentKind } from '../../formats/oci/media-types.js'
import type { StorageImage, StorageLayer } from '../containers-storage/storage-image.js'
import type { ImageSource, ResolvedManifest } from './image-source.js'

export class StorageSource implements ImageSource {
  readonly description: string
  readonly #image: StorageImage

  constructor(image: StorageImage, description: string) {
    this.#image = image
    this.description = description
  }

  get warnings(): readonly string[] {
    return this.#image.warnings
  }

  /** Docker manifests are read as the OCI manifests that they would be, but keep their bytes (containers-storage.md §3.2). */
  async manifest(): Promise<ResolvedManifest> {
    const { manifest: bytes, manifestDigest: digest, manifestMediaType: mediaType } = this.#image
    const document = `${this.description}: manifest ${digest}`
    const parsed = parseManifest(bytes, document)
    const isDocker = documentKind(mediaType) === 'docker-manifest'
    const manifest = isDocker ? convertDockerManifest(parsed, document).manifest : parsed
    return { bytes, digest, manifest }
  }

  async document({ digest }: Descriptor): Promise<Buffer> {
    if (digest === this.#image.configDigest) return this.#image.config
    throw this.#missing(digest)
  }

  blob({ digest }: Descriptor): AsyncIterable<Uint8Array> {
    throw this.#missing(digest)
  }

  localLayer(diffId: Digest): StorageLayer {
    const layer = this.#image.layers.find((layer) => layer.diffId === diffId)
    if (layer === undefined) throw this.#missing(diffId)
    return layer
  }

  async close(): Promise<void> {
    this.#image.close()
  }

  #missing(digest: Digest): SluiceError {
    return new SluiceError('SLUICE_NOT_FOUND', `${this.description} has no ${digest}`)
  }
}
