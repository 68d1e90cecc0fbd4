/** The objects that a delta makes: those of its parts, and the commit (ostree.md §3.5). */
import { SluiceError, withContext } from '../../errors.js'
import type { Superblock } from '../../formats/ostree/delta/superblock.js'
import { ObjectCollection } from '../../formats/ostree/object-collection.js'
import { hashMetadata } from '../../formats/ostree/ostree-id.js'
import type { ObjectStore } from '../../repository/objects.js'
import { noObjects, type ObjectStats } from '../object/object-batch.js'
import type { CommitObjects } from '../ostree/stored-commit.js'
import { applyPart } from './apply-part.js'
import { BaseContents } from './base-contents.js'
import { openPart } from './open-part.js'

export interface Delta {
  readonly superblock: Superblock
  /** The file of a part, at most `MAX_PART` bytes; not checked. */
  readPart(index: number, signal: AbortSignal): Promise<Buffer>
}

export interface AppliedDelta {
  /** The commit and what the parts make, each checked against its id; what is in the base is not among them. */
  readonly objects: ObjectCollection
  /** Metadata objects, with the commit. */
  readonly metadata: number
  readonly files: number
  readonly parts: number
  /** What the contents of files became. */
  readonly stats: ObjectStats
}

/** @param base the commit that the delta is from, unless it is from nothing. */
export async function applyDeltaParts(
  delta: Delta,
  base: CommitObjects | undefined,
  store: ObjectStore,
  signal: AbortSignal,
): Promise<AppliedDelta> {
  const { superblock } = delta
  const objects = new ObjectCollection()
  const stats = noObjects()
  objects.add(superblock.to, deltaCommit(superblock))
  const contents = base && new BaseContents(base, store)
  const counts = { metadata: 1, files: 0 }
  try {
    for (const [index, part] of superblock.parts.entries()) {
      try {
        const payload = await openPart(await delta.readPart(index, signal), part, signal)
        await applyPart(payload, part.objects, { contents, store, objects, stats }, signal)
      } catch (error) {
        throw withContext(error, `part ${index} of the delta`)
      }
      for (const { type } of part.objects) counts[type === 'file' ? 'files' : 'metadata']++
    }
  } finally {
    contents?.close()
  }
  return { objects, ...counts, parts: superblock.parts.length, stats }
}

/** The commit object that the delta leads to. @throws SluiceError `SLUICE_DIGEST_MISMATCH` if it is another. */
export function deltaCommit({ commit, to }: Superblock): Buffer {
  const actual = hashMetadata(commit)
  if (actual !== to) {
    throw new SluiceError('SLUICE_DIGEST_MISMATCH', `the commit in the delta has the checksum ${actual}, not ${to}`, {
      details: { expected: to, actual },
    })
  }
  return commit
}
