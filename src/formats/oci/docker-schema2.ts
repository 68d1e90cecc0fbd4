/**
 * Docker schema 2 manifests as OCI manifests (oci.md §1.8).
 *
 * Only media types change: config bytes and digest stay, so nothing that the image's author signed or named is made
 * anew but the manifest, and readers of composefs repositories understand the result.
 */
import type { Digest } from '../digest.js'
import type { Descriptor } from './descriptor.js'
import { parseManifest, type Manifest } from './manifest.js'
import { MediaType } from './media-types.js'
import { sha256Digest } from './sha256-digest.js'

const replacements: Readonly<Record<string, string>> = {
  [MediaType.dockerConfig]: MediaType.ociConfig,
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [`${MediaType.dockerLayer}.gzip`]: `${MediaType.ociLayer}+gzip`,
  [`${MediaType.dockerLayer}.zstd`]: `${MediaType.ociLayer}+zstd`,
  [MediaType.dockerForeignLayer]: MediaType.ociNondistributableLayer,
  [`${MediaType.dockerForeignLayer}.gzip`]: `${MediaType.ociNondistributableLayer}+gzip`,
}

export interface ConvertedManifest {
  readonly bytes: Buffer
  /** sha256 of `bytes`. */
  readonly digest: Digest
  readonly manifest: Manifest
}

/** Converts a parsed Docker manifest; the field order is fixed, so that every conversion gives the same bytes. */
export function convertDockerManifest(docker: Manifest, document: string): ConvertedManifest {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: convertDescriptor(docker.config),
      layers: docker.layers.map(convertDescriptor),
      ...(docker.annotations.size === 0 ? {} : { annotations: Object.fromEntries(docker.annotations) }),
    }),
  )
  return { bytes, digest: sha256Digest(bytes), manifest: parseManifest(bytes, `${document} as OCI manifest`) }
}

function convertDescriptor({ mediaType, digest, size, urls, annotations }: Descriptor): object {
  return {
    mediaType: replacements[mediaType] ?? mediaType,
    digest,
    size,
    ...(urls === undefined || urls.length === 0 ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations: Object.fromEntries(annotations) }),
  }
}
