/** Small images for a test registry. */
import { createHash } from 'node:crypto'
import type { Digest } from '../../src/formats/digest.js'
import type { TestRegistry } from './registry.js'

export interface TestImage {
  readonly digest: Digest
  readonly config: { readonly digest: Digest; readonly size: number }
  readonly layers: readonly { readonly digest: Digest; readonly size: number; readonly mediaType: string }[]
}

export interface TestImageOptions {
  readonly architecture?: string
  /** Media types of Docker schema 2. */
  readonly docker?: boolean
  /** Extra fields of the manifest. */
  readonly manifest?: Readonly<Record<string, unknown>>
}

/** Puts an image of these uncompressed layers into a registry; what the layers hold is not looked at. */
export function putImage(
  registry: TestRegistry,
  repository: string,
  tag: string | undefined,
  layers: readonly Uint8Array[],
  { architecture = 'amd64', docker = false, manifest = {} }: TestImageOptions = {},
): TestImage {
  const type = (oci: string, dockerType: string): string =>
    `application/vnd.${docker ? `docker.${dockerType}` : `oci.image.${oci}`}`
  const diffIds = layers.map((bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  const config = Buffer.from(
    JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } }),
  )
  const configBlob = registry.putBlob(config)
  const layerBlobs = layers.map((bytes) => ({
    mediaType: type('layer.v1.tar', 'image.rootfs.diff.tar'),
    ...registry.putBlob(bytes),
  }))
  const mediaType = type('manifest.v1+json', 'distribution.manifest.v2+json')
  const document = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: type('config.v1+json', 'container.image.v1+json'), ...configBlob },
    layers: layerBlobs,
    ...manifest,
  }
  const digest = registry.putManifest(repository, tag, Buffer.from(JSON.stringify(document)), mediaType)
  return { digest, config: configBlob, layers: layerBlobs }
}

/** Bytes that do not repeat, the same for the same seed. */
export function noise(length: number, seed = 'noise'): Buffer {
  const pieces: Buffer[] = []
  for (let i = 0; i * 64 < length; i++) pieces.push(createHash('sha512').update(`${seed}${i}`).digest())
  return Buffer.concat(pieces).subarray(0, length)
}
