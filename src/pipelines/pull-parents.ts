/** The history of a commit: its parents, as far back as is wanted and as the source has them (ostree.md §3.8, depth). */
import { readCommit } from '../formats/ostree/commit.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import {
  commitStreamName,
  parentRef,
  refOfStreamRefName,
  refOfParentRef,
  streamRefName,
} from '../formats/ostree/ref-name.js'
import type { Repository } from '../repository/repository.js'
import { readStoredCommit, type StoredCommit } from '../stages/ostree/stored-commit.js'
import type { OstreePullEvent } from './ostree-events.js'

export interface History {
  readonly repository: Repository
  /** Stored, and what the history is of. */
  readonly commit: OstreeId
  /** Its ref; the parents are then `REF~1`, `REF~2` and so on, so that `gc` keeps them. */
  readonly ref: string | undefined
  /** How many parents are wanted. */
  readonly depth: number
  readonly emit: (event: OstreePullEvent) => void
  readonly signal: AbortSignal
  /** Stores a commit, most of which `child` has; false if the source does not have it. */
  readonly pullParent: (id: OstreeId, child: StoredCommit) => Promise<boolean>
}

/** Gives the parents that are stored now, the nearest first. */
export async function pullParents(history: History): Promise<OstreeId[]> {
  const { repository, commit, ref, depth, emit, signal, pullParent } = history
  const parents: OstreeId[] = []
  for (let id = commit; parents.length < depth; id = parents.at(-1)!) {
    const child = await readStoredCommit(repository, commitStreamName(id), signal)
    const { parent } = readCommit(child.get(id)!.data)
    if (parent === undefined) break
    if (!(await pullParent(parent, child))) {
      emit({ type: 'warning', text: `the history ends at commit ${id}: the source does not have its parent ${parent}` })
      break
    }
    parents.push(parent)
    if (ref !== undefined) {
      repository.streams.linkRef(streamRefName(parentRef(ref, parents.length)), commitStreamName(parent))
    }
  }
  // Names of this form may be somebody's own where no history was asked for.
  if (ref !== undefined && depth > 0) forgetOlder(repository, ref, parents.length)
  return parents
}

/** Removes the refs of parents that an earlier pull of `ref` has left: they are not the parents any more, or not wanted. */
function forgetOlder(repository: Repository, ref: string, count: number): void {
  for (const { name } of repository.streams.refs('ostree')) {
    const parent = refOfParentRef(refOfStreamRefName(name) ?? '')
    if (parent?.ref === ref && parent.generation > count) repository.streams.unlinkRef(name)
  }
}
