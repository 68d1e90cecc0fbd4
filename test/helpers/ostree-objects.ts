/** Objects of ostree repositories on disk. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { isSymlink, readSizedZlibHeader, type ArchiveFileHeader } from '../../src/formats/ostree/file-header.js'

export interface StoredObject {
  readonly id: string
  readonly suffix: string
  readonly bytes: Buffer
}

/** Those that are regular files. */
export function* storedObjects(repository: string): Generator<StoredObject> {
  const root = join(repository, 'objects')
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const match = /^([0-9a-f]{2})\/([0-9a-f]{62})\.(.+)$/.exec(path)
    if (match === null || !lstatSync(join(root, path)).isFile()) continue
    yield { id: match[1] + match[2], suffix: match[3], bytes: readFileSync(join(root, path)) }
  }
}

/** A file of an archive repository. */
export function openFilez(bytes: Uint8Array): { header: ArchiveFileHeader; sizedHeader: Uint8Array; content: Buffer } {
  const { header, bytes: sizedHeader, rest } = readSizedZlibHeader(bytes)
  const content = isSymlink(header) || rest.length === 0 ? Buffer.alloc(0) : inflateRawSync(rest)
  return { header, sizedHeader, content }
}
