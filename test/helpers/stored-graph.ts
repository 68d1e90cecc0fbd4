/** Builds what a repository holds piece by piece, also in combinations that no pull would leave. */
import { createHash } from 'node:crypto'
import type { Digest, ObjectId } from '../../src/formats/digest.js'
import { writeErofs } from '../../src/formats/erofs/write.js'
import { contentType } from '../../src/formats/splitstream/format.js'
import { newDirectory, newLeaf, noXattrs, type Stat } from '../../src/formats/tree/tree.js'
import type { Repository } from '../../src/repository/repository.js'
import { encodeDocumentStream } from '../../src/stages/splitstream/document.js'
import { SplitstreamWriter } from '../../src/stages/splitstream/write.js'

export type NamedRefs = readonly (readonly [name: string, id: ObjectId])[]

export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
}

export interface StoredDocument {
  readonly stream: ObjectId
  readonly document: ObjectId
}

/** A stream of one external chunk; not linked. */
export async function storeDocument(
  repository: Repository,
  type: string,
  document: Uint8Array,
  namedRefs: NamedRefs = [],
): Promise<StoredDocument> {
  const bytes = await encodeDocumentStream(repository.algorithm, { contentType: type, document, namedRefs })
  return { document: repository.objects.store(document).id, stream: repository.objects.store(bytes).id }
}

/** A layer stream that refers to the objects; not linked. */
export async function storeLayer(repository: Repository, objects: readonly ObjectId[]): Promise<ObjectId> {
  const writer = new SplitstreamWriter(repository.objects, contentType.layer)
  for (const id of objects) writer.external(id, 0)
  return (await writer.finish()).id
}

const stat = (mode: number): Stat => ({ mode, uid: 0, gid: 0, mtime: 0n, mtimeNsec: 0, xattrs: noXattrs })

/** An EROFS image with one file for each object; not linked. */
export function storeImage(repository: Repository, objects: readonly ObjectId[]): ObjectId {
  const root = newDirectory(stat(0o755))
  objects.forEach((id, i) => root.entries.set(`file${i}`, newLeaf(stat(0o644), { type: 'external', id, size: 65 })))
  return repository.objects.store(writeErofs(root, { version: 1 })).id
}
