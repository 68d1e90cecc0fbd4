/** Manifest and config of a stored image, as the bytes they are (containers-storage.md §3.2). */
import type { ImageRecord } from '../../formats/cstor/records.js'
import { storageError, type StorageReason } from '../../formats/cstor/storage-error.js'
import type { Digest } from '../../formats/digest.js'
import { sha256Digest } from '../../formats/oci/sha256-digest.js'
import { parseConfig } from '../../formats/oci/config.js'
import { documentMediaType, parseManifest } from '../../formats/oci/manifest.js'
import { documentKind, MediaType } from '../../formats/oci/media-types.js'
import { quote } from '../../formats/quote.js'
import type { StorageStore } from './storage-store.js'

export interface ImageDocuments {
  readonly manifest: Buffer
  readonly manifestDigest: Digest
  readonly manifestMediaType: string
  readonly config: Buffer
  readonly configDigest: Digest
  readonly diffIds: readonly Digest[]
  readonly warnings: readonly string[]
}

/** @param wanted digest that the person asked for, if any. */
export function readImageDocuments(store: StorageStore, image: ImageRecord, wanted?: string): ImageDocuments {
  const { bytes: manifest, digest: manifestDigest, mediaType } = readManifest(store, image, wanted)
  const document = `manifest ${manifestDigest}`
  const { config: descriptor } = parseManifest(manifest, document)
  if (descriptor.mediaType !== MediaType.ociConfig && descriptor.mediaType !== MediaType.dockerConfig) {
    throw unsupported(`${document} has a config of type ${quote(descriptor.mediaType)}: it is no container image`)
  }
  const config = readConfig(store, image, descriptor.digest)
  const docker = documentKind(mediaType) === 'docker-manifest' || descriptor.mediaType === MediaType.dockerConfig
  return {
    manifest,
    manifestDigest,
    manifestMediaType: mediaType,
    config,
    configDigest: descriptor.digest,
    diffIds: parseConfig(config, `config ${descriptor.digest}`).diffIds,
    warnings: docker
      ? [
          'this is a Docker schema 2 image: manifest and config are stored as they are, so their digests differ from those of a pull from a registry, which converts them',
        ]
      : [],
  }
}

/** Before the digest, in the key of an item that is named by it. */
const BY_DIGEST = 'manifest-'

interface StoredManifest {
  readonly bytes: Buffer
  readonly digest: Digest
  readonly mediaType: string
}

/** The item of the digest that was asked for, if it is no index; else the item `manifest`, else the one of the image's digest. */
function readManifest(store: StorageStore, image: ImageRecord, wanted: string | undefined): StoredManifest {
  const asked = wanted === undefined ? undefined : readManifestItem(store, image, BY_DIGEST + wanted)
  if (asked !== undefined && !isIndex(asked.mediaType)) return asked
  const found =
    readManifestItem(store, image, 'manifest') ??
    (image.digest === undefined ? undefined : readManifestItem(store, image, BY_DIGEST + image.digest))
  if (found === undefined) {
    throw storageError('MANIFEST_CORRUPT', `image ${image.id} in ${store.path} has no manifest`)
  }
  if (isIndex(found.mediaType)) {
    throw unsupported(
      `image ${image.id} in ${store.path} has an index for a manifest`,
      'it is a list of images, as `podman manifest create` makes; name one of these images',
    )
  }
  return found
}

function isIndex(mediaType: string): boolean {
  const kind = documentKind(mediaType)
  return kind === 'index' || kind === 'docker-index'
}

function readManifestItem(store: StorageStore, image: ImageRecord, key: string): StoredManifest | undefined {
  const bytes = store.readImageItem(image.id, key)
  if (bytes === undefined) return undefined
  const digest = sha256Digest(bytes)
  const stated = image.bigDataDigests.get(key) ?? (key.startsWith(BY_DIGEST) ? key.slice(BY_DIGEST.length) : undefined)
  if (stated !== undefined) checkDigest('MANIFEST_CORRUPT', `${quote(key)} of image ${image.id}`, stated, digest)
  return { bytes, digest, mediaType: documentMediaType(bytes, undefined, `manifest ${digest}`) }
}

/** Images whose id was chosen by somebody have it under its digest all the same. */
function readConfig(store: StorageStore, image: ImageRecord, digest: Digest): Buffer {
  const bytes = store.readImageItem(image.id, digest) ?? store.readImageItem(image.id, `sha256:${image.id}`)
  if (bytes === undefined) {
    throw storageError('CONFIG_CORRUPT', `image ${image.id} in ${store.path} has no config ${digest}`)
  }
  checkDigest('CONFIG_CORRUPT', `the config of image ${image.id}`, digest, sha256Digest(bytes))
  return bytes
}

function checkDigest(reason: StorageReason, what: string, expected: string, actual: string): void {
  if (expected === actual) return
  throw storageError(reason, `${what} has digest ${actual}, expected ${quote(expected)}`, {
    details: { expected, actual },
  })
}

function unsupported(message: string, hint?: string): Error {
  return storageError('MANIFEST_UNSUPPORTED', message, hint === undefined ? {} : { hint })
}
