/** Tagged images of given files, as a pull would leave them. */
import { createHash } from 'node:crypto'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { streamName } from '../../src/repository/names.js'
import type { Repository } from '../../src/repository/repository.js'
import { sha256, storeDocument, storeImage, storeLayer, type StoredDocument } from './stored-graph.js'

export interface StoredLayer {
  readonly diffId: Digest
  readonly id: ObjectId
  readonly files: readonly ObjectId[]
}

/** A layer of these files, linked by a diff_id that is made of their ids. */
export async function storeNamedLayer(repository: Repository, files: readonly ObjectId[]): Promise<StoredLayer> {
  const diffId: Digest = `sha256:${createHash('sha256').update(files.join()).digest('hex')}` as Digest
  const id = await storeLayer(repository, files)
  repository.streams.link(streamName.layer(diffId), id)
  return { diffId, id, files }
}

export interface StoredImage {
  readonly manifestDigest: Digest
  /** The EROFS image. */
  readonly erofs: ObjectId
  readonly config: StoredDocument
  readonly manifest: StoredDocument
}

/** An image of these layers, with its EROFS image and these tags. */
export async function storeTaggedImage(
  repository: Repository,
  name: string,
  layers: readonly StoredLayer[],
  tags: readonly string[] = [name],
): Promise<StoredImage> {
  const erofs = storeImage(
    repository,
    layers.flatMap(({ files }) => files),
  )
  repository.images.link(erofs, erofs)
  const layerRefs = layers.map(({ diffId, id }) => [diffId, id] as const)
  const configBytes = Buffer.from(JSON.stringify({ config: name }))
  const config = await storeDocument(repository, contentType.config, configBytes, [
    ...layerRefs,
    ['composefs.image.v1', erofs],
  ])
  repository.streams.link(streamName.config(sha256(configBytes)), config.stream)
  const manifestBytes = Buffer.from(JSON.stringify({ manifest: name }))
  const manifest = await storeDocument(repository, contentType.manifest, manifestBytes, [
    [`config:${sha256(configBytes)}`, config.stream],
    ...layerRefs,
  ])
  const manifestDigest = sha256(manifestBytes)
  repository.streams.link(streamName.manifest(manifestDigest), manifest.stream)
  for (const tag of tags)
    repository.streams.linkRef(`oci/${tag.replaceAll('/', '%2F')}`, streamName.manifest(manifestDigest))
  return { manifestDigest, erofs, config, manifest }
}
