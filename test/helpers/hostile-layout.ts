/** OCI layouts made to reach outside, beside a folder that must stay as it is. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { TestContext } from 'node:test'
import { pullOciImage } from '../../src/pipelines/pull-oci.js'
import type { PullResult } from '../../src/pipelines/pull-events.js'
import { initRepository } from '../../src/repository/init.js'
import { Repository } from '../../src/repository/repository.js'
import { openImageSource } from '../../src/stages/fetch/open.js'
import { temporaryDirectory } from './temporary.js'

const type = (word: string) => `application/vnd.oci.image.${word}`
const SECRET = 'nobody but its owner reads this'

export interface LayoutBlob {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export class HostileLayout {
  readonly folder: string
  /** What images must not read from or write to; holds `secret`. */
  readonly outside: string
  readonly repository: Repository

  private constructor(root: string, repository: Repository) {
    this.folder = join(root, 'layout')
    this.outside = join(root, 'outside')
    this.repository = repository
    mkdirSync(join(this.folder, 'blobs/sha256'), { recursive: true })
    mkdirSync(this.outside)
    writeFileSync(join(this.outside, 'secret'), SECRET)
  }

  static async create(t: TestContext): Promise<HostileLayout> {
    const root = realpathSync(temporaryDirectory(t))
    const path = join(root, 'repo')
    await initRepository(path, { algorithm: 'sha256', erofsVersion: 1, insecure: true })
    const repository = await Repository.open(path, { insecure: true })
    t.after(() => repository.close())
    return new HostileLayout(root, repository)
  }

  pathOf(digest: string): string {
    return join(this.folder, 'blobs', digest.replace(':', '/'))
  }

  blob(mediaType: string, content: string | Uint8Array): LayoutBlob {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    writeFileSync(this.pathOf(digest), content)
    return { mediaType, digest, size: Buffer.byteLength(content) }
  }

  /** Makes an image of uncompressed layers the only one; gives its blobs, the manifest first. */
  image(layers: readonly Uint8Array[], changes: { readonly diffIds?: readonly string[] } = {}): LayoutBlob[] {
    const blobs = layers.map((layer) => this.blob(type('layer.v1.tar'), layer))
    const config = this.blob(
      type('config.v1+json'),
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: changes.diffIds ?? blobs.map(({ digest }) => digest) },
      }),
    )
    const document = JSON.stringify({ schemaVersion: 2, config, layers: blobs })
    const manifest = this.blob(type('manifest.v1+json'), document)
    this.index([{ ...manifest, platform: { os: 'linux', architecture: 'amd64' } }])
    return [manifest, config, ...blobs]
  }

  index(manifests: readonly object[]): void {
    writeFileSync(join(this.folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  }

  pull(tag = 'v1'): Promise<PullResult> {
    const open = () => openImageSource(`oci:${this.folder}`, { env: {}, home: '/nonexistent', etc: '/nonexistent' })
    const platform = { os: 'linux', architecture: 'amd64' }
    return pullOciImage(this.repository, open, { tag, platform, threads: 0 })
  }

  /** Nothing outside was touched, and the repository holds what a repository holds. */
  assertContained(): void {
    assert.deepEqual(readdirSync(this.outside), ['secret'])
    assert.equal(readFileSync(join(this.outside, 'secret'), 'utf8'), SECRET)
    assertOnlyRepository(this.repository.path)
  }
}

/** Objects are plain files, everything else is a link that stays inside; no other file is in `root`. */
function assertOnlyRepository(root: string): void {
  const known = ['.sluice', 'images', 'meta.json', 'objects', 'streams']
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const [top] = path.split(sep)
    assert.ok(known.includes(top), `${path} does not belong here`)
    const stats = lstatSync(join(root, path))
    assert.ok(stats.isFile() || stats.isDirectory() || stats.isSymbolicLink(), `${path} is a special file`)
    if (top === 'objects' && stats.isFile()) assert.match(path, /^objects\/[0-9a-f]{2}\/[0-9a-f]{62}$/)
    if (top === 'images' || top === 'streams') assert.ok(!stats.isFile(), `${path} is a file`)
    if (!stats.isSymbolicLink()) continue
    assert.ok(!readlinkSync(join(root, path)).startsWith('/'), `${path} is absolute`)
    assert.ok(realpathSync(join(root, path)).startsWith(root + sep), `${path} leads outside`)
  }
}
