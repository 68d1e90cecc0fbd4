/** The tagged images of a repository: list, inspect, tag, untag (oci.md §5.1 to §5.4). */
import { SluiceError } from '../errors.js'
import { parseDigest, type Digest, type ObjectId } from '../formats/digest.js'
import { parseConfig } from '../formats/oci/config.js'
import { isContainerImage } from '../formats/oci/diff-ids.js'
import { parseManifest, type Manifest } from '../formats/oci/manifest.js'
import { decodeRefName, encodeRefName } from '../formats/ref-file-name.js'
import { checkTag } from '../formats/oci/tag-name.js'
import { bootImageRefName, imageRefName, manifestOfStreamName, streamName } from '../repository/names.js'
import type { Repository } from '../repository/repository.js'
import { configStreamOf, readStoredDocument, type StoredDocument } from '../repository/stored-image.js'

/** A row of `oci images`; the names are those of the reference's JSON. */
export interface OciImageSummary {
  readonly name: string
  readonly manifest_digest: Digest
  readonly is_container: boolean
  /** Empty for an artifact. */
  readonly architecture: string
  readonly os: string
  readonly created: string | null
  readonly layer_count: number
  readonly referrer_count: number
}

export interface OciImageDetails {
  /** The raw documents as text. */
  readonly manifest: string
  readonly config: string
  readonly referrers: readonly string[]
  readonly composefs_erofs: ObjectId | null
  readonly composefs_boot_erofs: ObjectId | null
}

/** A stored image with its two documents. */
export interface StoredImage {
  readonly digest: Digest
  readonly manifest: Manifest
  readonly manifestDocument: StoredDocument
  readonly configDocument: StoredDocument
}

/** The manifest digest a tag leads to; undefined if there is no such tag. */
function taggedDigest(repository: Repository, encodedTag: string): Digest | undefined {
  const entry = repository.streams.refEntry(`oci/${encodedTag}`)
  if (entry === undefined) return undefined
  const stated = manifestOfStreamName(entry)
  if (stated === undefined) {
    throw new SluiceError('SLUICE_CORRUPT', `tag ${decodeRefName(encodedTag)} does not point to a manifest: ${entry}`)
  }
  return parseDigest(stated)
}

/** Resolves a tag, or `@digest`, to the digest that it means. */
export function resolveImageName(repository: Repository, name: string): Digest {
  if (name.startsWith('@')) return statedDigest(name.slice(1))
  checkTag(name)
  const digest = taggedDigest(repository, encodeRefName(name))
  if (digest !== undefined) return digest
  const aboutDigests = /^sha\d+:/.test(name) ? '; a digest is written @sha256:HEX' : ''
  throw new SluiceError('SLUICE_NOT_FOUND', `OCI reference not found: ${name}`, {
    hint: `"sluice oci images" lists the tags of this repository${aboutDigests}`,
  })
}

function statedDigest(text: string): Digest {
  try {
    return parseDigest(text)
  } catch (error) {
    throw new SluiceError('SLUICE_USAGE', (error as Error).message, { cause: error })
  }
}

/** Opens the image whose manifest has `digest`; both documents are checked against their digests. */
export function openStoredImage(repository: Repository, digest: Digest): StoredImage {
  const manifestDocument = readStoredDocument(repository, 'manifest', digest)
  const manifest = parseManifest(manifestDocument.bytes, `manifest ${digest}`)
  const config = manifest.config.digest
  const configDocument = readStoredDocument(repository, 'config', config, configStreamOf(manifestDocument, config))
  return { digest, manifest, manifestDocument, configDocument }
}

/** Digests of the artifacts that refer to a manifest and are stored, sorted. */
function referrers({ streams }: Repository, digest: Digest): string[] {
  return streams.refs(`oci-referrers/${encodeRefName(digest)}`).flatMap(({ name, entry }) => {
    const referrer = decodeRefName(name.slice(name.lastIndexOf('/') + 1))
    const isStored = manifestOfStreamName(entry) === referrer && streams.objectOf(entry) !== undefined
    return isStored ? [referrer] : []
  })
}

/** All tagged images by name; `unreadable` is told of those that are left out. */
export function listOciImages(
  repository: Repository,
  unreadable: (name: string, error: unknown) => void,
): OciImageSummary[] {
  const images: OciImageSummary[] = []
  for (const ref of repository.streams.refs('oci')) {
    const name = decodeRefName(ref.name.slice('oci/'.length))
    try {
      const digest = taggedDigest(repository, ref.name.slice('oci/'.length))
      if (digest !== undefined) images.push(summarise(repository, name, openStoredImage(repository, digest)))
    } catch (error) {
      unreadable(name, error)
    }
  }
  return images.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function summarise(repository: Repository, name: string, image: StoredImage): OciImageSummary {
  const isContainer = isContainerImage(image.manifest)
  const config = isContainer ? parseConfig(image.configDocument.bytes) : undefined
  return {
    name,
    manifest_digest: image.digest,
    is_container: isContainer,
    architecture: config?.architecture ?? '',
    os: config?.os ?? '',
    created: config?.created ?? null,
    layer_count: image.manifest.layers.length,
    referrer_count: referrers(repository, image.digest).length,
  }
}

export function inspectOciImage(repository: Repository, name: string): OciImageDetails {
  const image = openStoredImage(repository, resolveImageName(repository, name))
  const refs = image.configDocument.namedRefs
  const version = repository.erofsFormats.default
  return {
    manifest: image.manifestDocument.bytes.toString('utf8'),
    config: image.configDocument.bytes.toString('utf8'),
    referrers: referrers(repository, image.digest),
    composefs_erofs: refs.get(imageRefName(version)) ?? null,
    composefs_boot_erofs: refs.get(bootImageRefName(version)) ?? null,
  }
}

/** An EROFS image that a config names; the names are those of the reference's JSON. */
export interface LinkedErofsImage {
  readonly id: ObjectId
  readonly bootable: boolean
  readonly version: 1 | 2
  /** Which xattrs a bootable one keeps. */
  readonly xattrMode: 'allowlist-only' | 'keep-user-xattrs' | null
}

/**
 * All EROFS images of the image that `id` is one of, tagged or not; of several such images the first.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` if it is that of none; `unreadable` is told of those that are left out.
 */
export function linkedErofsImages(
  repository: Repository,
  id: ObjectId,
  unreadable: (name: string, error: unknown) => void,
): LinkedErofsImage[] {
  for (const { name } of repository.streams.entries()) {
    const stated = manifestOfStreamName(name)
    if (stated === undefined) continue
    try {
      const digest = parseDigest(stated)
      const images = erofsImagesOf(openStoredImage(repository, digest))
      if (images.some((image) => image.id === id)) return images
    } catch (error) {
      unreadable(name, error)
    }
  }
  throw new SluiceError('SLUICE_NOT_FOUND', `image not found: ${id}`)
}

/** Those to boot from last. The reference gives the versions in a random order. */
function erofsImagesOf({ configDocument: { namedRefs } }: StoredImage): LinkedErofsImage[] {
  const versions = [1, 2] as const
  const found: LinkedErofsImage[] = []
  const add = (ref: string, image: Omit<LinkedErofsImage, 'id'>): void => {
    const id = namedRefs.get(ref)
    if (id !== undefined) found.push({ id, ...image })
  }
  for (const version of versions) add(imageRefName(version), { bootable: false, version, xattrMode: null })
  for (const version of versions) {
    const ref = bootImageRefName(version)
    add(ref, { bootable: true, version, xattrMode: 'allowlist-only' })
    add(`${ref}.xattrs=keep-user-xattrs`, { bootable: true, version, xattrMode: 'keep-user-xattrs' })
  }
  return found
}

/**
 * Tags a stored manifest, once no collection is under way.
 *
 * @throws SluiceError `SLUICE_NOT_FOUND` for one that is not stored, as a tag to nothing makes every collection fail.
 */
export async function tagImage(repository: Repository, digest: Digest, tag: string): Promise<void> {
  checkTag(tag)
  repository.ensureWritable()
  await repository.during(() => {
    if (repository.streams.objectOf(streamName.manifest(digest)) === undefined) {
      throw new SluiceError('SLUICE_NOT_FOUND', `manifest ${digest} is not stored in ${repository.path}`, {
        hint: '"sluice oci images --json" has the digests of those that are tagged',
      })
    }
    readStoredDocument(repository, 'manifest', digest)
    repository.streams.linkRef(`oci/${encodeRefName(tag)}`, streamName.manifest(digest))
  })
}

/** @throws SluiceError `SLUICE_NOT_FOUND` if there is no such tag. */
export function untagImage(repository: Repository, tag: string): void {
  // A tag that begins with `@` is not made any more, but the reference makes such: it can be removed.
  repository.ensureWritable()
  if (tag === '' || !repository.streams.unlinkRef(`oci/${encodeRefName(tag)}`)) {
    throw new SluiceError('SLUICE_NOT_FOUND', `cannot remove tag ${tag}: there is none of that name`)
  }
}
