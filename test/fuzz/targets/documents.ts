/** JSON documents of images and repositories. */
import assert from 'node:assert/strict'
import { parseConfig } from '../../../src/formats/oci/config.js'
import { convertDockerManifest } from '../../../src/formats/oci/docker-schema2.js'
import { imageLayers } from '../../../src/formats/oci/image-layers.js'
import { documentMediaType, parseIndex, parseManifest } from '../../../src/formats/oci/manifest.js'
import { documentKind } from '../../../src/formats/oci/media-types.js'
import { chooseByPlatform, hostPlatform } from '../../../src/formats/oci/platform.js'
import { effectiveErofsFormats, formatMetadata, parseMetadata } from '../../../src/repository/metadata.js'
import { embeddedData } from '../../../src/stages/fetch/verify-blob.js'
import { readSeeds } from '../corpus.js'
import { mutateJson } from '../mutate-json.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const config = Buffer.from(
  JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
  }),
)

function runDocument(input: Buffer, random: Random): void {
  const mediaType = documentMediaType(input, random.pick([undefined, 'text/html', 'application/json']), 'document')
  if (documentKind(mediaType).endsWith('index')) {
    const { manifests } = parseIndex(input, 'index')
    chooseByPlatform(manifests, hostPlatform())
    for (const descriptor of manifests) embeddedData(descriptor)
    return
  }
  const manifest = parseManifest(input, 'manifest')
  const converted = convertDockerManifest(manifest, 'manifest')
  assert.equal(converted.manifest.layers.length, manifest.layers.length)
  imageLayers(manifest, config)
}

function runMetadata(input: Buffer): void {
  const metadata = parseMetadata(input)
  effectiveErofsFormats(metadata)
  assert.deepEqual(
    parseMetadata(Buffer.from(formatMetadata(metadata))),
    metadata,
    'metadata that is written again is the same',
  )
}

/** Half of the damage leaves it JSON. */
function jsonTarget(name: string, seeds: readonly Buffer[], run: Target['run'], weight = 2): Target {
  return {
    name,
    weight,
    limit: 16 * 1024,
    seeds,
    generate: (random) => {
      const seed = random.pick(seeds)
      return mutateJson(seed, random) ?? seed
    },
    run,
  }
}

export const documentTargets: readonly Target[] = [
  jsonTarget('manifest', readSeeds('manifest'), runDocument),
  jsonTarget('config', readSeeds('config'), (input) => void parseConfig(input, 'config')),
  jsonTarget('metadata', readSeeds('metadata'), runMetadata),
]
