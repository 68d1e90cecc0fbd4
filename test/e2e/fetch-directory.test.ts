/** `dir:`: what other tools write there is the same image as their layout. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parsePlatform } from '../../src/formats/oci/platform.js'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { writeLayout } from '../helpers/layout-images.js'
import { temporaryDirectory, temporaryRepository } from '../helpers/temporary.js'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const INDEX = 'application/vnd.oci.image.index.v1+json'

interface Place {
  readonly layout: string
  readonly directory: string
  readonly manifest: string
}

/** An image as a layout and as a directory. */
function writeBoth(t: TestContext): Place {
  const folder = temporaryDirectory(t)
  const layout = join(folder, 'layout')
  const directory = join(folder, 'dir:with-colon')
  const tars = [1, 2].map((layer) => Buffer.concat([tarFile(`file-${layer}`, Buffer.alloc(3000, layer)), zeros]))
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

const zeros = Buffer.alloc(1024)

function tarFile(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write('0000644\0' + '0000000\0'.repeat(2), 100)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        0`, 124)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((a, b) => a + b, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)])
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
  const bytes = readFileSync(join(directory, 'manifest.json'))
  renameSync(join(directory, 'manifest.json'), join(directory, `${manifest}.manifest.json`))
  const instance = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${sha256(bytes)}`,
    size: bytes.length,
    platform: { os: 'linux', architecture: 'amd64' },
  }
  const other = { ...instance, digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'linux', architecture: 'arm64' } }
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [other, instance] }
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(index))
  assert.deepEqual(await pull(t, `dir:${directory}`), await pull(t, `oci:${layout}:t`))
})

test('what is missing or damaged is told', async (t) => {
  const { layout, directory, manifest } = writeBoth(t)
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
  assert.ok(manifest)
})
