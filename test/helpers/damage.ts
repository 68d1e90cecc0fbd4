/** A small pulled image, the ways to damage what it is made of, and what a repository holds. */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import { lockingAvailable } from '../../src/native/lock.js'
import { streamName } from '../../src/repository/names.js'
import { Repository } from '../../src/repository/repository.js'
import { layerTar, pullFrom, serveImage, type ServedImage } from './pull.js'
import type { TestRegistry } from './registry.js'
import { startRegistry } from './registry-client.js'
import { temporaryDirectory, temporaryRepository } from './temporary.js'

/** Repairs need the exclusive lock. */
export const needsLock = { skip: !lockingAvailable() && 'there is no native code here, or SLUICE_NATIVE=off' }

export interface PulledImage {
  readonly registry: TestRegistry
  /** Of two layers; the tag is `v1`. */
  readonly image: ServedImage
  /** Sound; never to be changed. */
  readonly repository: Repository
  readonly pulled: PullResult
}

const tars = [layerTar('base'), layerTar('app', [70, 5000])]

export async function pulledImage(t: TestContext): Promise<PulledImage> {
  const registry = await startRegistry(t)
  const image = serveImage(registry, 'v1', tars)
  const repository = await temporaryRepository(t)
  return { registry, image, repository, pulled: await pullFrom(repository, registry, 'v1') }
}

export async function copyOf(t: TestContext, original: string): Promise<Repository> {
  const path = join(temporaryDirectory(t), 'repo')
  cpSync(original, path, { recursive: true, verbatimSymlinks: true })
  const copy = await Repository.open(path, { insecure: true })
  t.after(() => copy.close())
  return copy
}

/** One object of each kind that an image is made of. */
export function objectKinds({ repository, image, pulled }: PulledImage): Record<string, ObjectId> {
  const stream = (name: string): ObjectId => repository.streams.objectOf(name)!
  const objectsIn = (name: string): ObjectId[] => {
    const opened = repository.openStream(name)
    opened.close()
    return [...opened.objectRefs]
  }
  const layer = streamName.layer(image.layers[1].diffId)
  const manifest = streamName.manifest(pulled.manifestDigest)
  const config = streamName.config(pulled.configDigest)
  return {
    file: objectsIn(layer)[0],
    'layer stream': stream(layer),
    'manifest stream': stream(manifest),
    manifest: objectsIn(manifest)[0],
    'config stream': stream(config),
    config: objectsIn(config)[0],
    image: [...pulled.images.values()][0],
  }
}

export const damages: Readonly<Record<string, (path: string) => void>> = {
  'a flipped bit': (path) => {
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1] ^= 1
    writeFileSync(path, bytes)
  },
  // What lies before it can be read all the same.
  'a byte too many': (path) => appendFileSync(path, 'x'),
  truncation: (path) => truncateSync(path, lstatSync(path).size >> 1),
  loss: unlinkSync,
}

/** Every file and link of a repository with what it holds, but what only Sluice looks at. */
export function contentOf(path: string): Record<string, string> {
  const entries = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => !name.startsWith('.sluice'))
  const content: Record<string, string> = {}
  for (const name of entries.sort()) {
    const file = join(path, name)
    const stats = lstatSync(file)
    if (stats.isSymbolicLink()) content[name] = readlinkSync(file)
    else if (stats.isFile()) content[name] = createHash('sha256').update(readFileSync(file)).digest('hex')
  }
  return content
}

export const layerNames = ({ image }: PulledImage): string[] =>
  image.layers.map(({ diffId }) => streamName.layer(diffId as Digest))
