/** Images made with the real tools and, where those would not make them, by hand. No network. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import { run, runOk, type RunOptions } from './system-run.js'
import { writeBaseLayer, writeChangeLayer, writeOpaqueLayer } from './system-rootfs.js'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
  readonly annotations?: Readonly<Record<string, string>>
}

export type Compression = 'none' | 'gzip' | 'zstd'

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const

export function sha256(bytes: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** The architecture of this machine in Go's words. */
export const architecture = ({ x64: 'amd64', ia32: '386' } as Record<string, string>)[process.arch] ?? process.arch

/** An OCI layout written by hand, for what no tool would write. */
export class OciLayout {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    if (!existsSync(join(folder, 'index.json'))) this.writeIndex([])
  }

  private get indexPath(): string {
    return join(this.folder, 'index.json')
  }

  private writeIndex(manifests: readonly Descriptor[]): void {
    writeFileSync(this.indexPath, JSON.stringify({ schemaVersion: 2, manifests }))
  }

  /** As transports name it. */
  reference(tag: string): string {
    return `oci:${this.folder}:${tag}`
  }

  blob(mediaType: string, content: string | Uint8Array): Descriptor {
    const digest = sha256(content)
    writeFileSync(join(this.folder, 'blobs', digest.replace(':', '/')), content)
    return { mediaType, digest, size: Buffer.byteLength(content) }
  }

  read(digest: string): Buffer {
    return readFileSync(join(this.folder, 'blobs', digest.replace(':', '/')))
  }

  document<T>(digest: string): T {
    return JSON.parse(this.read(digest).toString('utf8')) as T
  }

  /** Makes a manifest or index findable by `tag`. */
  tag(tag: string, descriptor: Descriptor): void {
    const index = JSON.parse(readFileSync(this.indexPath, 'utf8')) as { manifests: Descriptor[] }
    const annotations = { 'org.opencontainers.image.ref.name': tag }
    this.writeIndex([...index.manifests, { ...descriptor, annotations }])
  }

  find(tag: string): Descriptor {
    const index = JSON.parse(readFileSync(this.indexPath, 'utf8')) as { manifests: Descriptor[] }
    const found = index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag)
    if (found === undefined) throw new Error(`${this.folder} has no tag ${tag}`)
    return found
  }

  /** Stores an image of these layer archives, the lowest first. */
  async image(
    tars: readonly Buffer[],
    { compression = 'gzip', arch = architecture }: { compression?: Compression; arch?: string } = {},
  ): Promise<Descriptor> {
    const layers: Descriptor[] = []
    for (const tar of tars) {
      const suffix = compression === 'none' ? '' : `+${compression}`
      layers.push(this.blob(mediaTypes.layer + suffix, await compress(tar, compression)))
    }
    const config = this.blob(
      mediaTypes.config,
      JSON.stringify({
        architecture: arch,
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: tars.map((tar) => sha256(tar)) },
        history: tars.map(() => ({ created: '2024-01-01T00:00:00Z', created_by: 'test' })),
      }),
    )
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers }
    return {
      ...this.blob(mediaTypes.manifest, JSON.stringify(manifest)),
      platform: { os: 'linux', architecture: arch },
    }
  }

  index(manifests: readonly Descriptor[]): Descriptor {
    return this.blob(mediaTypes.index, JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }))
  }

  /** Layer digests and diff_ids of a tagged image. */
  layersOf(tag: string): { digest: string; mediaType: string; diffId: string }[] {
    const { config, layers } = this.document<{ config: Descriptor; layers: Descriptor[] }>(this.find(tag).digest)
    const { rootfs } = this.document<{ rootfs: { diff_ids: string[] } }>(config.digest)
    return layers.map(({ digest, mediaType }, index) => ({ digest, mediaType, diffId: rootfs.diff_ids[index] ?? '' }))
  }
}

async function compress(tar: Buffer, compression: Compression): Promise<Buffer> {
  if (compression === 'gzip') return gzipSync(tar, { level: 1 })
  if (compression === 'zstd') return runOk('zstd', ['-q', '-c'], { input: tar })
  return tar
}

/** A layer archive of the folder by GNU tar. */
export function gnuTar(folder: string, format: 'pax' | 'gnu'): Promise<Buffer> {
  const attributes = format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : []
  return runOk('tar', ['-c', `--format=${format}`, '--sort=name', '--numeric-owner', ...attributes, '-C', folder, '.'])
}

/**
 * The three layers of system-rootfs as archives, made below `folder`; `without` these paths (bytes as
 * latin1) of the base.
 */
export async function richLayers(folder: string, without: readonly string[] = []): Promise<Buffer[]> {
  const [base, change, opaque] = ['base', 'change', 'opaque'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeBaseLayer(base)
  for (const path of without) rmSync(Buffer.from(`${base}/${path}`, 'latin1'))
  writeChangeLayer(change)
  writeOpaqueLayer(opaque)
  return [await gnuTar(base, 'pax'), await gnuTar(change, 'gnu'), await gnuTar(opaque, 'pax')]
}

export type EntryHeader = Partial<Header> & { readonly name: string }
export type RawEntry = EntryHeader & { readonly content?: string | Buffer }

/** A layer archive of just these entries, in this order. */
export async function rawTar(entries: readonly RawEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const { content, ...headers } of entries) {
    archive.entry({ mtime: new Date(1_700_000_000_000), ...headers }, content ?? '')
  }
  archive.finalize()
  return buffer(archive)
}

/** Unpacks an image as a container runtime would; returns its root folder. */
export async function umociUnpack(layout: OciLayout, tag: string, bundle: string): Promise<string> {
  await runOk('umoci', ['unpack', '--image', `${layout.folder}:${tag}`, bundle])
  return join(bundle, 'rootfs')
}

/** An image that umoci itself packs: the folder in one layer, then a second layer with what `change` did to it. */
export async function umociImage(
  layout: OciLayout,
  tag: string,
  scratch: string,
  fill: (root: string) => Promise<void>,
  change: (root: string) => Promise<void>,
): Promise<void> {
  const image = `${layout.folder}:${tag}`
  await runOk('umoci', ['new', '--image', image])
  for (const [index, edit] of [fill, change].entries()) {
    const bundle = join(scratch, `bundle-${index}`)
    const root = await umociUnpack(layout, tag, bundle)
    await edit(root)
    await runOk('umoci', ['repack', '--image', image, bundle])
  }
  await runOk('umoci', ['config', '--image', image, '--config.env', 'A=b', '--config.label', 'made-by=umoci'])
}

/** buildah with a store of its own below `folder`, independent of what the machine is set up for. */
export class Buildah {
  private readonly store: readonly string[]
  private readonly options: RunOptions

  constructor(folder: string, options: RunOptions = {}) {
    this.store = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
    this.options = { ...options, env: { ...options.env, BUILDAH_ISOLATION: 'chroot' } }
  }

  async ok(...args: string[]): Promise<string> {
    const [command = '', ...rest] = args
    return (await runOk('buildah', [command, ...this.store, ...rest], this.options)).toString('utf8').trim()
  }

  /** An image of two layers: the folder, then one file more. */
  async image(root: string, format: 'oci' | 'docker', destination: string): Promise<void> {
    const container = await this.ok('from', 'scratch')
    await this.ok('copy', '-q', container, root, '/')
    await this.ok('config', '--env', 'A=b', '--entrypoint', '["/usr/bin/tool"]', container)
    const first = await this.ok('commit', '-q', '--format', format, '--rm', container)
    const second = await this.ok('from', '--pull-never', first)
    await this.ok('copy', '-q', second, join(root, 'usr/bin/tool'), '/usr/bin/tool-copy')
    await this.ok('commit', '-q', '--format', format, '--rm', second, destination)
  }
}

export async function skopeoCopy(from: string, to: string, ...options: string[]): Promise<void> {
  await runOk('skopeo', ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', ...options, from, to])
}

/** Whether this skopeo can write the compression; older ones know no zstd:chunked. */
export async function skopeoCompresses(
  layout: OciLayout,
  tag: string,
  format: string,
  folder: string,
): Promise<boolean> {
  const to = join(folder, `probe-${format.replace(':', '-')}`)
  const compression = ['--dest-compress', '--dest-compress-format', format]
  const { status } = await run('skopeo', ['copy', '-q', ...compression, layout.reference(tag), `oci:${to}:t`])
  return status === 0
}
