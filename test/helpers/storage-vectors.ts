/** Stores of the containers-storage vectors, unpacked, and imports from them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import type { PullOptions } from '../../src/pipelines/pull-run.js'
import type { Repository } from '../../src/repository/repository.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { temporaryDirectory } from './temporary.js'
import { hasVector, readJsonVector, vectorPath } from './vectors.js'

interface ExpectedStreams {
  /** Objects of the layers' streams. */
  readonly layer_streams: readonly ObjectId[]
  readonly config_stream: ObjectId
  readonly manifest_stream_before_image: ObjectId
  readonly manifest_stream_final_in_order: ObjectId
  readonly image_id_erofs: ObjectId
}

export interface ExpectedImage {
  readonly name: string
  readonly image_id: string
  readonly config_digest: Digest
  readonly manifest_digest: Digest
  readonly diff_ids: readonly Digest[]
  readonly storage_layer_ids_base_to_top: readonly string[]
  readonly sha256: ExpectedStreams
  readonly sha512: ExpectedStreams
}

export type StoreName = 'main-full' | 'main-plain' | 'vfs'

/** The `skip` of tests that unpack a store. */
export function missingStore(name: StoreName): string | false {
  if (!hasVector('cstor', 'stores', `${name}.tar.gz`)) return 'these vectors are not at hand'
  return name === 'main-full' && process.getuid?.() !== 0 && 'device nodes and owners need root'
}

export function expectedImages(name: StoreName): ReadonlyMap<string, ExpectedImage> {
  const file = `${name.replace(/-.*/, '')}.expected.json`
  const { images } = readJsonVector<{ images: Record<string, ExpectedImage> }>('cstor', 'stores', file)
  return new Map(Object.entries(images))
}

/** Unpacks a store and gives its graphroot. */
export function unpackStore(t: TestContext, name: StoreName): string {
  const directory = join(temporaryDirectory(t), 'store')
  mkdirSync(directory)
  const asRoot = name === 'main-full' ? ['--xattrs', '--xattrs-include=*', '--numeric-owner'] : ['--no-same-owner']
  execFileSync('tar', [...asRoot, '-C', directory, '-xzf', vectorPath('cstor', 'stores', `${name}.tar.gz`)])
  return join(directory, 'root')
}

/** Imports an image of a store under the tag `t`. @param reference what follows `containers-storage:`. */
export function importImage(
  repository: Repository,
  storageRoot: string,
  reference: string,
  options: Partial<PullOptions> = {},
): Promise<PullResult> {
  const env = { HOME: '/nonexistent' }
  const places = { env, home: '/nonexistent', etc: '/nonexistent', storage: { storageRoot } }
  return pullOciImage(repository, () => openImageSource(`containers-storage:${reference}`, places), {
    tag: 't',
    ...options,
  })
}
