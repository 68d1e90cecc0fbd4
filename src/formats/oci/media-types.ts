/** Media types of OCI and Docker documents and layers, and what each means for a pull (oci.md §1.3, §1.6, §1.8). */

export const MediaType = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociNondistributableLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifestV1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerManifestV1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
} as const

/** The `artifactType` of a delta between two images (oci.md §7). */
export const DELTA_ARTIFACT_TYPE = 'application/vnd.io.github.containers.oci-delta.v1'

/** The annotation that carries the tag in a layout's `index.json`. */
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name'

export type DocumentKind = 'manifest' | 'index' | 'docker-manifest' | 'docker-index' | 'docker-schema1' | 'other'

const documentKinds: Readonly<Record<string, DocumentKind>> = {
  [MediaType.ociManifest]: 'manifest',
  [MediaType.ociIndex]: 'index',
  [MediaType.dockerManifest]: 'docker-manifest',
  [MediaType.dockerManifestList]: 'docker-index',
  [MediaType.dockerManifestV1]: 'docker-schema1',
  [MediaType.dockerManifestV1Signed]: 'docker-schema1',
}

/** What a document of this media type is. */
export function documentKind(mediaType: string): DocumentKind {
  return Object.hasOwn(documentKinds, mediaType) ? documentKinds[mediaType] : 'other'
}

export type Compression = 'none' | 'gzip' | 'zstd'

/** A tar layer is decompressed and split; everything else is stored as the bytes it is. */
export type LayerTreatment = { readonly type: 'tar'; readonly compression: Compression } | { readonly type: 'blob' }

const suffixes: Readonly<Record<string, Compression>> = { '': 'none', '+gzip': 'gzip', '+zstd': 'zstd' }

const treatments = new Map<string, LayerTreatment>(
  [MediaType.ociLayer, MediaType.ociNondistributableLayer].flatMap((base) =>
    Object.entries(suffixes).map(([suffix, compression]) => [base + suffix, { type: 'tar', compression }] as const),
  ),
)

/** By media type alone, never by what the bytes look like (oci.md §1.6). */
export function layerTreatment(mediaType: string): LayerTreatment {
  return treatments.get(mediaType) ?? { type: 'blob' }
}
