/** Builds OCI layouts from directories of this machine, for the demo and the benches. */
import { createHash, randomUUID } from 'node:crypto'
import {
  createReadStream,
  createWriteStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'
import { pack, type Pack } from 'tar-stream'

/** A file or directory of this machine, and where it goes in the image. */
export interface LayerSource {
  readonly from: string
  /** Without a leading slash. */
  readonly to: string
}

/** A small file made up for the image. */
export interface LayerFile {
  readonly to: string
  readonly content: string
}

export interface LayerBlob {
  readonly mediaType: string
  readonly digest: string
  /** Bytes of the blob. */
  readonly size: number
  /** Bytes of the archive in it. */
  readonly unpackedSize: number
  readonly diffId: string
}

export interface BuiltLayer extends LayerBlob {
  /** Entries in the tar. */
  readonly entries: number
}

const MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
/** 2024-01-01, for what has no time of its own: the same input gives the same layer. */
const MADE_AT = new Date(1_704_067_200_000)

/** Passes bytes on and hashes them. */
function hashing(): { stream: Transform; digest: () => string; size: () => number } {
  const hash = createHash('sha256')
  let size = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  return { stream, digest: () => `sha256:${hash.digest('hex')}`, size: () => size }
}

async function addFile(tar: Pack, from: string, to: string): Promise<void> {
  const stat = lstatSync(from)
  const header = { name: to, mode: stat.mode & 0o7777, mtime: MADE_AT, uid: 0, gid: 0 }
  if (stat.isSymbolicLink()) {
    tar.entry({ ...header, type: 'symlink', linkname: readlinkSync(from) })
  } else if (stat.isFile()) {
    await pipeline(createReadStream(from), tar.entry({ ...header, size: stat.size }))
  }
}

/** Adds a tree in the order of its names; what is neither file, directory nor symlink is left out. */
async function addTree(tar: Pack, from: string, to: string, count: () => void): Promise<void> {
  count()
  if (!lstatSync(from).isDirectory()) return addFile(tar, from, to)
  tar.entry({ name: `${to}/`, type: 'directory', mode: 0o755, mtime: MADE_AT })
  for (const name of readdirSync(from).sort()) await addTree(tar, join(from, name), posix.join(to, name), count)
}

function addParents(tar: Pack, to: string, made: Set<string>, count: () => void): void {
  for (let parent = posix.dirname(to), missing: string[] = []; ; parent = posix.dirname(parent)) {
    if (parent !== '.' && !made.has(parent)) {
      missing.unshift(parent)
      continue
    }
    for (const name of missing) {
      made.add(name)
      count()
      tar.entry({ name: `${name}/`, type: 'directory', mode: 0o755, mtime: MADE_AT })
    }
    return
  }
}

/**
 * Writes an archive into the layout as a gzip layer; memory does not depend on its size.
 *
 * @param level of gzip, 1 to 9.
 */
export async function storeLayer(layout: string, tar: Readable | Pack, level: number): Promise<LayerBlob> {
  const blobs = join(layout, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const temporary = join(blobs, randomUUID())
  const plain = hashing()
  const packed = hashing()
  await pipeline(tar, plain.stream, createGzip({ level }), packed.stream, createWriteStream(temporary))
  const digest = packed.digest()
  renameSync(temporary, join(blobs, digest.slice('sha256:'.length)))
  const [size, unpackedSize] = [packed.size(), plain.size()]
  return { mediaType: MEDIA_TYPE, digest, size, unpackedSize, diffId: plain.digest() }
}

/** Writes files and trees of this machine into the layout as one gzip layer. */
export async function buildLayer(layout: string, contents: readonly (LayerSource | LayerFile)[]): Promise<BuiltLayer> {
  const tar = pack()
  const stored = storeLayer(layout, tar, constants.Z_BEST_SPEED)
  let entries = 0
  const count = () => void entries++
  const made = new Set<string>()
  for (const content of contents) {
    addParents(tar, content.to, made, count)
    if ('from' in content) {
      await addTree(tar, content.from, content.to, count)
    } else {
      count()
      tar.entry({ name: content.to, mode: 0o644, mtime: MADE_AT }, content.content)
    }
  }
  tar.finalize()
  return { ...(await stored), entries }
}

function writeDocument(
  layout: string,
  mediaType: string,
  document: unknown,
): { mediaType: string; digest: string; size: number } {
  const bytes = Buffer.from(JSON.stringify(document))
  const hex = createHash('sha256').update(bytes).digest('hex')
  writeFileSync(join(layout, 'blobs/sha256', hex), bytes)
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
}

/** Writes the documents of an image around its layers, and makes it the one image of the layout. */
export function writeImage(layout: string, layers: readonly BuiltLayer[], tag: string): void {
  const config = writeDocument(layout, 'application/vnd.oci.image.config.v1+json', {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = writeDocument(layout, mediaType, {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  })
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const annotations = { 'org.opencontainers.image.ref.name': tag }
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] }
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
}
