/**
 * `npm run demo`: a real image made of what is on this machine, served on loopback, pulled twice. Needs no network, no root,
 * no other software; everything lies in a temporary directory that goes away again.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  initRepository,
  layerTar,
  listOciImages,
  openImageSource,
  openStoredImage,
  pullOciImage,
  Repository,
  type PullResult,
} from '../src/index.js'
import { parseConfig } from '../src/formats/oci/config.js'
import { TestRegistry } from '../test/helpers/registry.js'
import { projectRoot } from '../test/helpers/vectors.js'
import { buildLayer, writeImage } from './support/build-layout.js'

const MIB = 1024 * 1024
const say = (text = '') => process.stdout.write(`${text}\n`)
const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`
const rate = (bytes: number, ms: number) => (ms < 1 ? '' : `${(bytes / MIB / (ms / 1000)).toFixed(0)} MiB/s`)

async function pull(repository: Repository, host: string, tag: string): Promise<PullResult> {
  const open = () => openImageSource(`docker://${host}/demo/app:${tag}`, { tlsVerify: false })
  return pullOciImage(repository, open, { tag: `demo:${tag}` })
}

function report(result: PullResult): void {
  const { objects, layers, stages } = result
  say(`  manifest  ${result.manifestDigest}`)
  for (const [version, id] of result.images) say(`  EROFS V${version}  ${id}`)
  say(`  layers    ${layers.fetched} of ${layers.total} fetched`)
  say(
    `  files     ${objects.newObjects} new (${mib(objects.storedBytes)}), ${objects.presentObjects} shared, ${mib(objects.inlineBytes)} kept inline`,
  )
  for (const [name, stage] of Object.entries(stages)) {
    const speed = rate(stage.bytes, stage.busyMs)
    say(
      `  ${name.padEnd(12)}${mib(stage.bytes).padStart(9)} in ${(stage.busyMs / 1000).toFixed(2).padStart(5)} s of its own  ${speed}`,
    )
  }
  say(`  altogether ${(result.elapsedMs / 1000).toFixed(2)} s`)
}

/** Reads every layer back from the repository and compares it with its diff_id. */
async function checkLayers(repository: Repository, result: PullResult): Promise<void> {
  const { configDocument } = openStoredImage(repository, result.manifestDigest)
  for (const diffId of parseConfig(configDocument.bytes).diffIds) {
    const hash = createHash('sha256')
    let size = 0
    for await (const piece of layerTar(repository, diffId)) {
      hash.update(piece)
      size += piece.length
    }
    if (`sha256:${hash.digest('hex')}` !== diffId) throw new Error(`layer ${diffId} came back different`)
    say(`  ${diffId}  ${mib(size)}  byte for byte`)
  }
}

async function demo(directory: string): Promise<void> {
  say('Building an image of two layers from this machine: the Node binary, and the packages of this project…')
  const layouts = [join(directory, 'v1'), join(directory, 'v2')] as const
  const program = [{ from: process.execPath, to: 'usr/bin/node' }]
  const packages = { from: join(projectRoot, 'node_modules'), to: 'usr/lib/node_modules' }
  const registry = await TestRegistry.start()
  try {
    for (const [i, layout] of layouts.entries()) {
      const tag = `v${i + 1}`
      const layers = [
        await buildLayer(layout, program),
        await buildLayer(layout, [packages, { to: 'usr/share/app/version', content: `${tag}\n` }]),
      ]
      writeImage(layout, layers, tag)
      registry.addLayout(layout, 'demo/app', tag)
      if (i === 0) for (const { size, entries } of layers) say(`  layer of ${entries} entries, ${mib(size)} compressed`)
    }

    const path = join(directory, 'repository')
    await initRepository(path, { algorithm: 'sha512', erofsVersion: 1, insecure: true })
    using repository = await Repository.open(path)

    say(`\nPulling docker://${registry.host}/demo/app:v1`)
    const first = await pull(repository, registry.host, 'v1')
    report(first)

    say(`\nPulling version 2, in which one file of the second layer is another`)
    report(await pull(repository, registry.host, 'v2'))

    say('\nImages in the repository:')
    for (const { name, manifest_digest: digest, layer_count: layers } of listOciImages(repository, () => undefined)) {
      say(`  ${name}  ${digest}  ${layers} layers`)
    }

    say('\nThe layers, put together again from their files:')
    await checkLayers(repository, first)
  } finally {
    await registry.close()
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
try {
  await demo(directory)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
