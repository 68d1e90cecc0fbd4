/** Either tool reads, checks, mounts, extends and collects what the other wrote. */
import { before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { galleryTools, makeGallery, withoutLayers, type Gallery } from '../helpers/system-gallery.js'
import { sha256 } from '../helpers/system-images.js'
import {
  runOk,
  comparableLines,
  imageTools,
  missing,
  missingForSluice,
  mountTools,
  scratchFolder,
  sluiceIsReplaced,
  ToolRepository,
  type ToolName,
} from '../helpers/system-run.js'
import { compareTrees, listTree } from '../helpers/system-tree.js'

interface ImageRow {
  readonly name: string
}

/** What two repositories with the same images must agree on. Streams are equal in content, not in bytes (§3.8). */
async function facts(repository: ToolRepository, tags: readonly string[]): Promise<Record<string, unknown>> {
  const { images } = await repository.json<{ images: ImageRow[] }>('oci', 'images', '--json')
  const all: Record<string, unknown> = {
    metadata: readFileSync(join(repository.path, 'meta.json'), 'utf8'),
    images: images.sort((a, b) => (a.name < b.name ? -1 : 1)),
    linkedImages: readdirSync(join(repository.path, 'images')).sort(),
    streams: readdirSync(join(repository.path, 'streams')).sort(),
    tags: readdirSync(join(repository.path, 'streams/refs/oci')).sort(),
  }
  for (const tag of tags) {
    const { composefs_erofs: erofs } = await repository.json<{ composefs_erofs: string }>('oci', 'inspect', tag)
    const [objects, ...rest] = await Promise.all([
      repository.ok('image-objects', erofs),
      repository.ok('oci', 'compute-id', tag),
      repository.ok('oci', 'dump', tag),
      repository.ok('oci', 'inspect', '--manifest', tag),
      repository.ok('oci', 'inspect', '--config', tag),
    ])
    const linked = await repository.json('oci', 'linked-erofs-images', erofs)
    all[tag] = { erofs, objects: objects.split('\n').sort(), linked, rest }
  }
  return all
}

async function pullAll(repository: ToolRepository, { layout, tags }: Gallery): Promise<string[][]> {
  const lines: string[][] = []
  for (const tag of tags) lines.push(comparableLines(await repository.ok('oci', 'pull', layout.reference(tag), tag)))
  return lines
}

const tools = [...mountTools, ...galleryTools]

describe('repositories of both tools', { skip: missing(...imageTools, ...tools) }, () => {
  const scratch = scratchFolder('interop')
  let gallery: Gallery
  before(async () => {
    gallery = await makeGallery(scratch)
  })

  const kinds = [
    { hash: 'sha512', erofsVersion: 1 },
    { hash: 'sha256', erofsVersion: 2 },
    { hash: 'sha256', erofsVersion: 1 },
    { hash: 'sha512', erofsVersion: 2 },
  ]
  for (const kind of kinds) {
    test(`${kind.hash}, EROFS V${kind.erofsVersion}: pulls print and store the same`, async () => {
      const folder = join(scratch, `same-${kind.hash}-${kind.erofsVersion}`)
      const ours = await ToolRepository.init('sluice', `${folder}-sluice`, kind)
      const theirs = await ToolRepository.init('cfsctl', `${folder}-cfsctl`, kind)
      assert.deepEqual(await pullAll(ours, gallery), await pullAll(theirs, gallery))

      const expected = await facts(theirs, gallery.tags)
      assert.deepEqual(await facts(ours.as('cfsctl'), gallery.tags), expected, 'cfsctl reads what sluice wrote')
      // One image of each kind of repository will do; all of them are read below.
      const one = ['rich']
      assert.deepEqual(
        (await facts(theirs.as('sluice'), one))['rich'],
        expected['rich'],
        'sluice reads what cfsctl wrote',
      )
    })
  }

  for (const [writer, reader] of [
    ['sluice', 'cfsctl'],
    ['cfsctl', 'sluice'],
  ] as const) {
    describe(`written by ${writer}, used by ${reader}`, () => {
      const folder = join(scratch, `by-${writer}`)
      let written: ToolRepository
      let read: ToolRepository
      before(async () => {
        written = await ToolRepository.init(writer, folder)
        read = written.as(reader)
        await pullAll(written, gallery)
      })

      test('is found sound', async () => {
        assert.match(await read.ok('fsck'), /^meta\.json: ok\nobjects: (\d+)\/\1 ok\n[^]*^status: ok$/m)
        assert.match(
          await read.ok('oci', 'fsck'),
          new RegExp(`oci images: ${gallery.tags.length}/${gallery.tags.length} ok`),
        )
        const check = await read.json<{ ok: boolean; repo: object }>('oci', 'fsck', '--json')
        assert.deepEqual(check, await written.json('oci', 'fsck', '--json'))
        assert.equal(check.ok, true)
      })

      test('gives layers back byte for byte', async () => {
        for (const [index, { diffId }] of gallery.layout.layersOf('rich').entries()) {
          const bytes = await read.bytes('oci', 'layer', diffId)
          assert.ok(bytes.equals(gallery.layers[index] ?? Buffer.of()), `layer ${index} differs`)
        }
        for (const { diffId } of gallery.layout.layersOf('by-buildah')) {
          assert.equal(sha256(await read.bytes('oci', 'layer', diffId)), diffId)
          assert.equal(
            await read.ok('oci', 'layer', '--dumpfile', diffId),
            await written.ok('oci', 'layer', '--dumpfile', diffId),
          )
          assert.deepEqual(
            await read.json('oci', 'layer', '--json', diffId),
            await written.json('oci', 'layer', '--json', diffId),
          )
        }
      })

      test('mounts', async () => {
        const [own, other] = [join(scratch, `${writer}-own`), join(scratch, `${writer}-other`)]
        for (const mountPoint of [own, other]) mkdirSync(mountPoint)
        await written.ok('oci', 'mount', 'rich', own)
        await read.ok('oci', 'mount', 'rich', other)
        const listing = await listTree(other)
        assert.ok(listing.size > 60)
        assert.deepEqual(compareTrees(listing, await listTree(own)), [])
        // Sluice's gc keeps what is mounted.
        for (const mountPoint of [own, other]) await runOk('umount', [mountPoint])
      })

      test('is extended without fetching anything twice', async () => {
        const bare = withoutLayers(gallery.layout, join(scratch, `bare-${writer}`))
        for (const tag of ['rich', 'by-umoci', 'by-buildah']) {
          assert.match(await read.ok('oci', 'pull', bare.reference(tag), `again-${tag}`), /^objects +0 new/m)
        }
        await read.ok('oci', 'untag', 'again-rich')
        assert.match(await written.ok('fsck'), /^status: ok$/m)
      })

      test('is collected', async () => {
        const counted = (text: string): string | undefined => /^Objects: .*$/m.exec(text)?.[0]
        const plan = counted(await read.ok('gc', '--dry-run'))
        assert.equal(plan, counted(await written.ok('gc', '--dry-run')), 'both plan the same')
        assert.equal(counted(await read.ok('gc')), plan, 'the run does what was planned')
        assert.match(await written.ok('gc', '--dry-run'), /^Objects: 0 removed \(0 bytes\)$/m)
        const some = ['rich', 'by-buildah']
        assert.deepEqual(await facts(read, some), await facts(written, some))
        assert.match(await read.ok('fsck'), /^status: ok$/m)
        assert.match(await written.ok('oci', 'fsck'), /^status: ok$/m)
      })

      test('goes away when nothing names it', async () => {
        const { images } = await read.json<{ images: ImageRow[] }>('oci', 'images', '--json')
        for (const { name } of images) await read.ok('oci', 'untag', name)
        await read.ok('gc')
        const left = readdirSync(join(folder, 'objects'), { recursive: true, encoding: 'utf8' })
        assert.deepEqual(
          left.filter((path) => path.includes('/')),
          [],
        )
        assert.deepEqual(readdirSync(join(folder, 'streams')), ['refs'])
        assert.match(await written.ok('fsck'), /^status: ok$/m)
      })
    })
  }

  test('without C libraries everything is stored the same', { skip: missingForSluice() }, async () => {
    const repositories: ToolRepository[] = []
    for (const native of ['off', 'on']) {
      const path = join(scratch, `native-${native}`)
      const repository = await ToolRepository.init('sluice', path, { env: { SLUICE_NATIVE: native } })
      // Without native code nothing tells whether meta.json has fs-verity.
      for (const tag of gallery.tags)
        await repository.ok('--insecure', 'oci', 'pull', gallery.layout.reference(tag), tag)
      repositories.push(repository.as('cfsctl'))
    }
    const [portable, native] = await Promise.all(repositories.map((repository) => facts(repository, gallery.tags)))
    assert.deepEqual(portable, native)
  })

  test('both find the same damage', async () => {
    const repository = await ToolRepository.init('cfsctl', join(scratch, 'damaged'))
    await repository.ok('oci', 'pull', gallery.layout.reference('rich'), 'rich')
    const objects = join(repository.path, 'objects')
    const bySize = readdirSync(objects, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.includes('/'))
      .map((path) => ({ path: join(objects, path), bytes: readFileSync(join(objects, path)) }))
    const ofSize = (size: number): string => bySize.find(({ bytes }) => bytes.length === size)?.path ?? assert.fail()
    mkdirSync(join(objects, 'ab'), { recursive: true })
    writeFileSync(ofSize(511), Buffer.alloc(511))
    rmSync(ofSize(4095))
    writeFileSync(join(objects, 'ab/no-digest'), '')
    symlinkSync('../objects/00/11', join(repository.path, 'streams/dangling'))
    writeFileSync(join(repository.path, 'images/no-link'), '')

    type Check = Record<string, unknown> & { errors: string[] }
    const damage = async (tool: ToolName): Promise<Check> => {
      const { stdout } = await repository.as(tool).run('fsck', '--json')
      const check = JSON.parse(stdout.toString()) as Check
      // What follows the object's name is each tool's own wording.
      return { ...check, errors: check.errors.map((line) => line.split(': ').slice(0, 3).join(': ')).sort() }
    }
    const expected = await damage('cfsctl')
    assert.equal(expected['ok'], false)
    assert.deepEqual(await damage('sluice'), expected)
    const { status } = await repository.as('sluice').run('fsck')
    assert.equal(status, sluiceIsReplaced ? 1 : 5)
  })
})
