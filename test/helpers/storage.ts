/** Stores of containers-storage: vectors unpacked, and tars rebuilt from them. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Crc64 } from '../../src/formats/cstor/crc64.js'
import type { LayerPiece, StorageLayer } from '../../src/stages/containers-storage/storage-image.js'
import { temporaryDirectory } from './temporary.js'
import { vectorPath } from './vectors.js'

/** An environment in which no store and no configuration is found but what a test names. */
export function bareEnvironment(home: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    HOME: home,
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: join(home, 'config'),
    CONTAINERS_STORAGE_CONF: '/dev/null',
    ...more,
  }
}

/** Unpacks `stores/NAME.tar.gz`; gives the graphroot. */
export function unpackStore(t: TestContext, name: string): string {
  const path = join(temporaryDirectory(t), name)
  mkdirSync(path)
  execFileSync('tar', ['--no-same-owner', '-xzf', vectorPath('cstor', 'stores', `${name}.tar.gz`), '-C', path])
  return join(path, 'root')
}

export interface RebuiltTar {
  readonly diffId: string
  readonly size: number
  readonly files: number
  /** Paths of files whose content has another CRC-64 than the tar-split says. */
  readonly wrongChecksums: readonly string[]
}

/** Reads a layer to its end, and closes the files it gives. */
export async function rebuildTar(
  layer: StorageLayer,
  keep: (bytes: Uint8Array) => void = () => {},
): Promise<RebuiltTar> {
  const hash = createHash('sha256')
  let size = 0
  let files = 0
  const wrongChecksums: string[] = []
  for await (const piece of layer.pieces()) {
    const bytes = pieceBytes(piece)
    hash.update(bytes)
    keep(bytes)
    size += bytes.length
    if (piece.file === undefined) continue
    files++
    if (new Crc64().update(bytes).digest().toString('base64') !== piece.file.crc64) wrongChecksums.push(piece.file.path)
  }
  return { diffId: `sha256:${hash.digest('hex')}`, size, files, wrongChecksums }
}

/** The bytes of a piece; a file is closed. */
export function pieceBytes({ bytes, file }: LayerPiece): Uint8Array {
  if (file === undefined) return bytes
  const content = Buffer.alloc(file.size)
  let filled = 0
  try {
    for (let n = -1; n !== 0 && filled < file.size; filled += n) {
      n = readSync(file.fd, content, filled, file.size - filled, filled)
    }
  } finally {
    closeSync(file.fd)
  }
  return content.subarray(0, filled)
}
