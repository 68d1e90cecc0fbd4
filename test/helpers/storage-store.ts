/** Stores of containers-storage made by hand, for what podman would not write. */
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bigDataFileName } from '../../src/formats/cstor/big-data-name.js'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import { MediaType } from '../../src/formats/oci/media-types.js'

/** A part of a layer's tar: bytes, or the content of a file that is in its directory. */
export type TarPart = string | { readonly name: string; readonly content: string; readonly rawName?: boolean }

export interface StoreLayer {
  readonly id: string
  readonly parent?: string
  readonly parts: readonly TarPart[]
  /** Whether the files of `parts` are written to its directory. */
  readonly withoutFiles?: boolean
  /** Fields of the record that are other than they would be. */
  readonly record?: Readonly<Record<string, unknown>>
}

export interface StoreImage {
  readonly id: string
  readonly names?: readonly string[]
  readonly layer?: string
  readonly diffIds: readonly string[]
  readonly record?: Readonly<Record<string, unknown>>
  readonly manifest?: Readonly<Record<string, unknown>>
}

/** 64 digits, as ids have. */
export const storageId = (name: string): string => createHash('sha256').update(name).digest('hex')

export function tarOf(parts: readonly TarPart[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'string' ? part : part.content, 'latin1')))
}

export const diffIdOf = (parts: readonly TarPart[]): string => sha256(tarOf(parts))

/** The lines of a tar-split, as the Go library writes them. */
export function tarSplitLines(parts: readonly TarPart[]): string {
  return parts.map((part, position) => `${JSON.stringify(tarSplitLine(part, position))}\n`).join('')
}

function tarSplitLine(part: TarPart, position: number): object {
  if (typeof part === 'string') return { type: 2, payload: Buffer.from(part, 'latin1').toString('base64'), position }
  const content = Buffer.from(part.content, 'latin1')
  const payload = content.length === 0 ? null : new Crc64().update(content).digest().toString('base64')
  const name = Buffer.from(part.name, 'latin1')
  return {
    type: 1,
    ...(part.rawName === true ? { name_raw: name.toString('base64') } : { name: name.toString('utf8') }),
    ...(content.length === 0 ? {} : { size: content.length }),
    payload,
    position,
  }
}

export class HandmadeStore {
  constructor(
    readonly root: string,
    readonly driver: 'overlay' | 'vfs' = 'overlay',
  ) {
    for (const name of [driver, `${driver}-layers`, `${driver}-images`])
      mkdirSync(join(root, name), { recursive: true })
    this.write([], [])
  }

  /** Writes records, tar-splits, files and documents. */
  write(layers: readonly StoreLayer[], images: readonly StoreImage[]): void {
    this.#json(
      'layers',
      layers.map(({ id, parent, parts, record }) => ({
        id,
        parent,
        'diff-digest': diffIdOf(parts),
        'diff-size': tarOf(parts).length,
        ...record,
      })),
    )
    for (const layer of layers) this.#writeLayer(layer)
    this.#json(
      'images',
      images.map((image) => ({ id: image.id, names: image.names, layer: image.layer, ...this.#writeImage(image) })),
    )
  }

  layerDirectory(id: string): string {
    return join(this.root, this.driver, this.driver === 'vfs' ? `dir/${id}` : `${id}/diff`)
  }

  tarSplit(id: string): string {
    return join(this.root, `${this.driver}-layers`, `${id}.tar-split.gz`)
  }

  #writeLayer({ id, parts, withoutFiles = false }: StoreLayer): void {
    writeFileSync(this.tarSplit(id), gzipSync(tarSplitLines(parts)))
    const directory = this.layerDirectory(id)
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    for (const part of withoutFiles ? [] : parts) {
      if (typeof part === 'string' || part.content === '') continue
      const path = Buffer.from(`${directory}/${part.name}`, 'latin1')
      mkdirSync(Buffer.from(dirname(path.toString('latin1')), 'latin1'), { recursive: true })
      writeFileSync(path, part.content, 'latin1')
    }
  }

  #writeImage({ id, diffIds, manifest, record }: StoreImage): object {
    const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } })
    const bytes = JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { mediaType: MediaType.ociConfig, digest: sha256(config), size: config.length },
      layers: diffIds.map((digest) => ({ mediaType: MediaType.ociLayer, digest, size: 1 })),
      ...manifest,
    })
    const directory = join(this.root, `${this.driver}-images`, id)
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'manifest'), bytes)
    writeFileSync(join(directory, bigDataFileName(sha256(config))), config)
    return { digest: sha256(bytes), 'big-data-digests': { manifest: sha256(bytes) }, ...record }
  }

  #json(kind: string, records: readonly object[]): void {
    writeFileSync(join(this.root, `${this.driver}-${kind}`, `${kind}.json`), JSON.stringify(records))
  }
}

function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
