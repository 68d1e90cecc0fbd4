/** Pulls from a real registry of every kind of image that registries hold. */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync as gunzip } from 'node:zlib'
import { Buildah, mediaTypes, OciLayout, richLayers, skopeoCompresses, skopeoCopy } from '../helpers/system-images.js'
import { writeBaseLayer } from '../helpers/system-rootfs.js'
import { DockerRegistry } from '../helpers/system-registry.js'
import {
  imageTools,
  missing,
  missingForSluice,
  plainHttpHome,
  scratchFolder,
  sluiceIsReplaced,
  ToolRepository,
} from '../helpers/system-run.js'

const tools = [...imageTools, 'docker-registry', 'skopeo', 'buildah']

interface Inspected {
  readonly manifest: string
}

describe('a registry', { skip: missing(...tools) }, () => {
  const scratch = scratchFolder('registry')
  const home = join(scratch, 'home')
  const layout = new OciLayout(join(scratch, 'layout'))
  const registry = new DockerRegistry(scratch)
  let env: Record<string, string>
  /** The image id of the tag `rich` of the layout, made by the reference. */
  let expectedId: string

  before(async () => {
    await registry.start()
    env = plainHttpHome(home, registry.address)
    layout.tag('rich', await layout.image(await richLayers(scratch)))
    const reference = await ToolRepository.init('cfsctl', join(scratch, 'reference'))
    await reference.ok('oci', 'pull', layout.reference('rich'), 'rich')
    expectedId = await reference.ok('oci', 'compute-id', 'rich')
  })

  after(() => registry.stop())

  let repositories = 0
  const newRepository = (): Promise<ToolRepository> =>
    ToolRepository.init('sluice', join(scratch, `repository-${repositories++}`), { env })

  /** Pulls, and has the reference check and show what was written. */
  async function pullChecked(name: string): Promise<ToolRepository> {
    const repository = await newRepository()
    const printed = await repository.ok('oci', 'pull', `docker://${registry.address}/${name}`, 'pulled')
    assert.match(printed, /^tagged +pulled$/m)
    assert.match(await repository.as('cfsctl').ok('oci', 'fsck'), /^oci images: 1\/1 ok$/m)
    return repository
  }

  async function mediaTypesOf(repository: ToolRepository): Promise<string[]> {
    const { manifest } = await repository.as('cfsctl').json<Inspected>('oci', 'inspect', 'pulled')
    return (JSON.parse(manifest) as { layers: { mediaType: string }[] }).layers.map(({ mediaType }) => mediaType)
  }

  test('OCI image, gzip', async () => {
    await skopeoCopy(layout.reference('rich'), `docker://${registry.address}/gzip:t`)
    const repository = await pullChecked('gzip:t')
    assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
    assert.deepEqual(new Set(await mediaTypesOf(repository)), new Set([`${mediaTypes.layer}+gzip`]))

    const theirs = await ToolRepository.init('cfsctl', join(scratch, 'theirs'), { env })
    const printed = await theirs.ok('oci', 'pull', `docker://${registry.address}/gzip:t`, 'pulled')
    const again = await repository.ok('oci', 'pull', `docker://${registry.address}/gzip:t`, 'pulled')
    const named = (text: string): string[] => text.split('\n').filter((line) => /^(manifest|config|tagged) /.test(line))
    assert.deepEqual(named(again), named(printed))
    assert.match(again, /^objects +0 new/m)
  })

  test('by digest, by tag with digest, and not there', async () => {
    const { digest } = layout.find('rich')
    await skopeoCopy(layout.reference('rich'), `docker://${registry.address}/named:t`, '--preserve-digests')
    const repository = await newRepository()
    // skopeo, which the reference uses, refuses a tag with a digest.
    const both = sluiceIsReplaced ? [] : [`named:other@${digest}`]
    for (const name of [`named@${digest}`, 'named:t', ...both]) {
      assert.match(
        await repository.ok('oci', 'pull', `docker://${registry.address}/${name}`, name),
        new RegExp(`^manifest ${digest}$`, 'm'),
      )
    }
    const failed = sluiceIsReplaced ? 1 : 4
    assert.match(
      await repository.fails(failed, 'oci', 'pull', `docker://${registry.address}/named:none`, 'x'),
      /named|unknown/,
    )
    const absent = `sha256:${'0'.repeat(64)}`
    await repository.fails(failed, 'oci', 'pull', `docker://${registry.address}/named@${absent}`, 'x')
    assert.match(
      await repository.as('cfsctl').ok('oci', 'fsck'),
      new RegExp(`^oci images: ${2 + both.length}/${2 + both.length} ok$`, 'm'),
    )
  })

  for (const format of ['zstd', 'zstd:chunked']) {
    test(`OCI image, ${format}`, async (t) => {
      if (!(await skopeoCompresses(layout, 'rich', format, scratch))) {
        t.skip(`this skopeo cannot write ${format}`)
        return
      }
      const name = `${format.replace(':', '-')}:t`
      // Straight from an uncompressed image: skopeo does not compress again what is compressed.
      const plain = new OciLayout(join(scratch, `plain-${format.replace(':', '-')}`))
      plain.tag(
        'rich',
        await plain.image(
          layout.layersOf('rich').map(({ digest }) => gunzip(layout.read(digest))),
          { compression: 'none' },
        ),
      )
      await skopeoCopy(
        plain.reference('rich'),
        `docker://${registry.address}/${name}`,
        '--dest-compress-format',
        format,
        '--format',
        'oci',
      )
      const repository = await pullChecked(name)
      assert.deepEqual(new Set(await mediaTypesOf(repository)), new Set([`${mediaTypes.layer}+zstd`]))
      assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
    })
  }

  test('multi-platform index', async () => {
    const foreign = await layout.image([], { arch: 'riscv64' })
    layout.tag('several', layout.index([foreign, layout.find('rich')]))
    await skopeoCopy(layout.reference('several'), `docker://${registry.address}/several:t`, '--all')
    const repository = await pullChecked('several:t')
    assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
  })

  test('Docker schema 2', { skip: missingForSluice() }, async () => {
    await skopeoCopy(layout.reference('rich'), `docker://${registry.address}/docker:t`, '--format', 'v2s2')
    const repository = await pullChecked('docker:t')
    assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
    assert.deepEqual(new Set(await mediaTypesOf(repository)), new Set([`${mediaTypes.layer}+gzip`]))
  })

  for (const format of ['oci', 'docker'] as const) {
    const skip = format === 'docker' ? missingForSluice() : false
    test(`pushed by buildah, ${format}`, { skip }, async () => {
      const folder = join(scratch, `buildah-${format}`)
      mkdirSync(folder)
      await writeBaseLayer(join(folder, 'root'))
      for (const device of ['fifo', 'null', 'disk']) rmSync(join(folder, 'root/var/lib', device))
      const destination = `docker://${registry.address}/by-buildah:${format}`
      await new Buildah(folder, { env }).image(join(folder, 'root'), format, destination)

      const repository = await pullChecked(`by-buildah:${format}`)
      const copy = new OciLayout(join(folder, 'copy'))
      await skopeoCopy(destination, copy.reference('t'), '--format', 'oci')
      const reference = await ToolRepository.init('cfsctl', join(folder, 'reference'))
      await reference.ok('oci', 'pull', copy.reference('t'), 'pulled')
      assert.equal(
        await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'),
        await reference.ok('oci', 'compute-id', 'pulled'),
      )
    })
  }

  for (const [transport, tag] of [
    ['oci-archive', ':t'],
    ['dir', ''],
  ]) {
    test(`${transport} as skopeo writes it`, async () => {
      const source = `${transport}:${join(scratch, transport)}${tag}`
      await skopeoCopy(layout.reference('rich'), source)
      const repository = await newRepository()
      await repository.ok('oci', 'pull', source, 'pulled')
      assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
    })
  }

  test('a bare name', { skip: missingForSluice() }, async () => {
    await skopeoCopy(layout.reference('rich'), `docker://${registry.address}/bare/name:t`)
    const repository = new ToolRepository('sluice', join(scratch, 'made-by-pull'), { env })
    await repository.ok('pull', `${registry.address}/bare/name:t`, 'pulled')
    assert.match(await repository.as('cfsctl').ok('oci', 'fsck'), /^oci images: 1\/1 ok$/m)
    assert.equal(await repository.as('cfsctl').ok('oci', 'compute-id', 'pulled'), expectedId)
  })
})
