/** Pulls from a test registry into a repository, with short patience. */
import { gzipSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import type { PullOptions } from '../../src/pipelines/pull-run.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import type { Repository } from '../../src/repository/repository.js'
import { openImageSource, type ImageSourceOptions } from '../../src/stages/fetch/open.js'
import type { TestRegistry } from './registry.js'
import { noise } from './registry-images.js'
import { directory, endMarker, entry } from './tar-build.js'

const quickRetry = { tries: 2, baseDelayMs: 5, maxDelayMs: 20 }

export function pullFrom(
  repository: Repository,
  registry: TestRegistry,
  tag: string,
  options: Partial<PullOptions> & { readonly source?: ImageSourceOptions } = {},
): Promise<PullResult> {
  const { source, ...pullOptions } = options
  const open = () =>
    openImageSource(`docker://${registry.host}/app:${tag}`, {
      env: {},
      home: '/nonexistent',
      etc: '/nonexistent',
      tlsVerify: false,
      stallTimeoutMs: 1000,
      retry: quickRetry,
      ...source,
    })
  const platform = { os: 'linux', architecture: 'amd64' }
  return pullOciImage(repository, open, { tag, platform, ...pullOptions })
}

/** A layer of some files below `usr/<name>`, large and small; different names, different content. */
export function layerTar(name: string, sizes: readonly number[] = [10, 64, 65, 5000, 300_000]): Buffer {
  const files = sizes.map((size, i) =>
    entry({ name: `usr/${name}/${i}` }, noise(size, `${name}${i}`).toString('latin1')),
  )
  return Buffer.concat([directory('usr/'), directory(`usr/${name}/`), ...files, endMarker])
}

/** Tests serve the same layers over and over. */
const zipped = new WeakMap<Buffer, Buffer>()

export interface ServedImage {
  readonly layers: readonly { readonly digest: string; readonly diffId: string; readonly size: number }[]
}

/** Puts an image of gzip layers into the registry; `diffIds` replaces the true ones. */
export function serveImage(
  registry: TestRegistry,
  tag: string,
  tars: readonly Buffer[],
  diffIds?: readonly string[],
): ServedImage {
  const layers = tars.map((tar) => {
    const blob = zipped.get(tar) ?? gzipSync(tar)
    zipped.set(tar, blob)
    const { digest, size } = registry.putBlob(blob)
    return { digest, size, diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}` }
  })
  const config = registry.putBlob(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: diffIds ?? layers.map(({ diffId }) => diffId) },
      }),
    ),
  )
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size,
    })),
  }
  registry.putManifest('app', tag, Buffer.from(JSON.stringify(manifest)))
  return { layers }
}
