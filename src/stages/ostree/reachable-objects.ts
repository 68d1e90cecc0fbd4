/** The objects that belong to a commit, by walking its directories. */
import { formatError } from '../../errors.js'
import type { Breather } from '../../flow/breather.js'
import { readCommit } from '../../formats/ostree/commit.js'
import { readDirmeta } from '../../formats/ostree/dirmeta.js'
import { readDirtree } from '../../formats/ostree/dirtree.js'
import type { MetadataType } from '../../formats/ostree/object-type.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import type { CommitObjects } from './stored-commit.js'

export interface MetadataObject {
  readonly type: MetadataType
  readonly id: OstreeId
  readonly bytes: Uint8Array
}

export interface ReachableObjects {
  /** The commit is the last. */
  readonly metadata: readonly MetadataObject[]
  /** Of each the path of its first name, absolute. */
  readonly files: ReadonlyMap<OstreeId, string>
}

/** @throws SluiceError `SLUICE_FORMAT`: a metadata object is missing, malformed, or not what its id says. */
export async function reachableObjects(
  objects: CommitObjects,
  commit: OstreeId,
  breather: Breather,
): Promise<ReachableObjects> {
  const read = (type: MetadataType, id: OstreeId): MetadataObject => {
    const found = objects.get(id)
    if (found === undefined || found.external !== undefined) throw formatError('ostree', `there is no ${type} ${id}`)
    const actual = hashMetadata(found.data)
    if (actual !== id) throw formatError('ostree', `${type} ${id} has the checksum ${actual}`)
    return { type, id, bytes: found.data }
  }
  const top = read('commit', commit)
  const { tree, meta } = readCommit(top.bytes)
  const files = new Map<OstreeId, string>()
  const metas = new Set([meta])
  // Each is walked once, wherever it is used; the map grows while it is walked.
  const trees = new Map([[tree, '']])
  const dirtrees: MetadataObject[] = []
  for (const [id, path] of trees) {
    const dirtree = read('dirtree', id)
    dirtrees.push(dirtree)
    const { files: leaves, directories } = readDirtree(dirtree.bytes)
    for (const leaf of leaves) if (!files.has(leaf.id)) files.set(leaf.id, `${path}/${leaf.name}`)
    for (const directory of directories) {
      metas.add(directory.meta)
      if (!trees.has(directory.tree)) trees.set(directory.tree, `${path}/${directory.name}`)
    }
    await breather.breathe()
  }
  const dirmetas = [...metas].map((id) => read('dirmeta', id))
  for (const { bytes } of dirmetas) readDirmeta(bytes)
  return { metadata: [...dirmetas, ...dirtrees, top], files }
}
