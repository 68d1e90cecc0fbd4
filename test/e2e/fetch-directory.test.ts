/** `dir:`: what other tools write there is the same image as their layout. */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parsePlatform } from '../../src/formats/oci/platform.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { writeLayout } from '../helpers/layout-images.js'
import { entry, tarOf } from '../helpers/tar-build.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

const INDEX = 'application/vnd.oci.image.index.v1+json'

interface Place {
  readonly layout: string
  readonly directory: string
  /** Its digest in hex. */
  readonly manifest: string
}

/** An image as a layout and as a directory. */
function writeBoth(t: TestContext): Place {
  const folder = temporaryDirectory(t)
  const layout = join(folder, 'layout')
  const directory = join(folder, 'dir:with-colon')
  const tars = [1, 2].map((layer) => tarOf(entry({ name: `file-${layer}` }, String(layer).repeat(3000))))
  writeLayout(layout, new Map([['t', tars]]))
  mkdirSync(directory)
  const blobs = join(layout, 'blobs/sha256')
  for (const name of readdirSync(blobs)) copyFileSync(join(blobs, name), join(directory, name))
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
  const manifest = index.manifests[0].digest.slice('sha256:'.length)
  renameSync(join(directory, manifest), join(directory, 'manifest.json'))
  writeFileSync(join(directory, 'version'), 'Directory Transport Version: 1.1\n')
  return { layout, directory, manifest }
}

async function pull(t: TestContext, reference: string) {
  const repository = await temporaryRepository(t)
  const platform = parsePlatform('linux/amd64')
  const { manifestDigest, manifestVerity } = await pullOciImage(
    repository,
    () => openImageSource(reference, { home: '/nowhere', etc: '/nowhere' }),
    { tag: 't', platform, threads: 0 },
  )
  return { manifestDigest, manifestVerity }
}

test('the same image as the layout', async (t) => {
  const { layout, directory } = writeBoth(t)
  assert.deepEqual(await pull(t, `dir:${directory}`), await pull(t, `oci:${layout}:t`))
})

test('an index and its instances', async (t) => {
  const { layout, directory, manifest } = writeBoth(t)
  const { size } = statSync(join(directory, 'manifest.json'))
  renameSync(join(directory, 'manifest.json'), join(directory, `${manifest}.manifest.json`))
  const instance = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${manifest}`,
    size,
    platform: { os: 'linux', architecture: 'amd64' },
  }
  const other = { ...instance, digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'linux', architecture: 'arm64' } }
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [other, instance] }
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(index))
  assert.deepEqual(await pull(t, `dir:${directory}`), await pull(t, `oci:${layout}:t`))
})

test('what is missing or damaged is told', async (t) => {
  const { layout, directory } = writeBoth(t)
  await assert.rejects(pull(t, `dir:${layout}`), { code: 'SLUICE_NOT_FOUND', message: /there is no manifest\.json/ })
  const { layers } = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as {
    layers: { digest: string; size: number }[]
  }
  const blob = join(directory, layers[0].digest.slice('sha256:'.length))
  const right = readFileSync(blob)
  writeFileSync(blob, Buffer.alloc(right.length, 7))
  await assert.rejects(pull(t, `dir:${directory}`), new RegExp(layers[0].digest))
  rmSync(blob)
  await assert.rejects(pull(t, `dir:${directory}`), { code: 'SLUICE_NOT_FOUND' })
  writeFileSync(blob, right)
  writeFileSync(join(directory, 'manifest.json'), '[]')
  await assert.rejects(pull(t, `dir:${directory}`), { code: 'SLUICE_FORMAT' })
})
