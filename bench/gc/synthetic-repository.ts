/** A repository of many tiny objects, half of them in use. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { digestLength, objectPath, type HashAlgorithm, type ObjectId } from '../../src/formats/digest.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { initRepository } from '../../src/repository/init.js'
import { streamName } from '../../src/repository/names.js'
import { objectDirectories } from '../../src/repository/object-listing.js'
import { Repository } from '../../src/repository/repository.js'
import { sha256, storeDocument, storeLayer } from '../../test/helpers/stored-graph.js'

/** Files of a layer, as many as those of a large one. */
const LAYER_FILES = 50_000

export interface SyntheticRepository {
  /** Object files and their bytes that a collection removes. */
  readonly deadObjects: number
  readonly deadBytes: number
}

/**
 * Makes a repository at `path` with `objects` objects of 16 bytes; every second one is in a layer of the one tagged image.
 * Their names are random and not their digests, which a collection does not look at.
 */
export async function makeSyntheticRepository(
  path: string,
  objects: number,
  algorithm: HashAlgorithm,
): Promise<SyntheticRepository> {
  mkdirSync(path)
  await initRepository(path, { algorithm, erofsVersion: 1, insecure: true })
  using repository = await Repository.open(path, { insecure: true })
  for (const directory of objectDirectories) {
    mkdirSync(`${repository.objects.directory}/${directory}`, { recursive: true })
  }
  const layers: (readonly [string, ObjectId])[] = []
  for (let made = 0; made < objects; made += 2 * LAYER_FILES) {
    const live = Math.min(LAYER_FILES, Math.ceil((objects - made) / 2))
    const ids = makeObjects(repository, Math.min(2 * LAYER_FILES, objects - made))
    const diffId = sha256(Buffer.from(`layer ${made}`))
    const layer = await storeLayer(repository, ids.slice(0, live))
    repository.streams.link(streamName.layer(diffId), layer)
    layers.push([diffId, layer])
  }
  const config = Buffer.from('{}')
  const { stream: configStream } = await storeDocument(repository, contentType.config, config, layers)
  repository.streams.link(streamName.config(sha256(config)), configStream)
  const manifest = Buffer.from('{"schemaVersion":2}')
  const refs = [[`config:${sha256(config)}`, configStream] as const, ...layers]
  const { stream: manifestStream } = await storeDocument(repository, contentType.manifest, manifest, refs)
  repository.streams.link(streamName.manifest(sha256(manifest)), manifestStream)
  repository.streams.linkRef('oci/bench', streamName.manifest(sha256(manifest)))
  const deadObjects = Math.floor(objects / 2)
  return { deadObjects, deadBytes: deadObjects * OBJECT_BYTES }
}

const OBJECT_BYTES = 16

function makeObjects({ objects, algorithm }: Repository, count: number): ObjectId[] {
  return Array.from({ length: count }, () => {
    const id = randomBytes(digestLength[algorithm]).toString('hex') as ObjectId
    writeFileSync(`${objects.directory}/${objectPath(id)}`, randomBytes(OBJECT_BYTES))
    return id
  })
}
