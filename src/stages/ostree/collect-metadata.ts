/** The walk from a commit to all of its directories, fetching what no base has (ostree.md §3.3). */
import { SluiceError, withContext } from '../../errors.js'
import { readCommit, type Commit } from '../../formats/ostree/commit.js'
import { readDirmeta } from '../../formats/ostree/dirmeta.js'
import { readDirtree } from '../../formats/ostree/dirtree.js'
import type { ObjectCollection } from '../../formats/ostree/object-collection.js'
import type { MetadataType } from '../../formats/ostree/object-type.js'
import { hashMetadata, type OstreeId } from '../../formats/ostree/ostree-id.js'
import { WorkQueue } from '../../flow/work-queue.js'
import type { OstreeSource } from './source.js'
import type { CommitObjects } from './stored-commit.js'

/** Requests at a time. */
const METADATA_REQUESTS = 48

export interface MetadataWalk {
  readonly source: Pick<OstreeSource, 'metadata'>
  /** Gets what the walk comes by; it may hold objects already. */
  readonly objects: ObjectCollection
  /** Commits whose objects need not be fetched, in the order in which they are asked. */
  readonly bases: readonly CommitObjects[]
  readonly signal: AbortSignal
  /** Gets each object that comes from the source, and adds it to `objects`. */
  readonly onFetched: (id: OstreeId, bytes: Uint8Array) => void
}

/** The commit itself, which is fetched unless it is there. */
export async function collectCommit(walk: Omit<MetadataWalk, 'bases'>, id: OstreeId): Promise<Commit> {
  return read(readCommit, await obtain({ ...walk, bases: [] }, 'commit', id), `commit ${id}`)
}

/** Collects the directories below the root of `commit`; gives the files that are yet to come. */
export async function collectMetadata(walk: MetadataWalk, commit: Commit): Promise<OstreeId[]> {
  const { objects } = walk
  const seen = new Set<OstreeId>()
  const files: OstreeId[] = []
  const queue = new WorkQueue(METADATA_REQUESTS)
  const visit = (type: 'dirtree' | 'dirmeta', id: OstreeId): void => {
    if (seen.has(id)) return
    seen.add(id)
    queue.add(async () => {
      const bytes = await obtain(walk, type, id)
      if (type === 'dirmeta') return void read(readDirmeta, bytes, `dirmeta ${id}`)
      const tree = read(readDirtree, bytes, `dirtree ${id}`)
      for (const { id: file } of tree.files) {
        if (seen.has(file)) continue
        seen.add(file)
        if (!objects.has(file) && fromBases(walk, file, true) === undefined) files.push(file)
      }
      for (const { meta, tree: below } of tree.directories) {
        visit('dirmeta', meta)
        visit('dirtree', below)
      }
    })
  }
  visit('dirmeta', commit.meta)
  visit('dirtree', commit.tree)
  await queue.done()
  return files
}

/** Takes an object over from the first base that has it. @param isFile other objects are never outside of a stream (§4.4). */
function fromBases({ bases, objects }: MetadataWalk, id: OstreeId, isFile: boolean): Uint8Array | undefined {
  for (const base of bases) {
    const found = base.get(id)
    if (found === undefined || (found.external !== undefined && !isFile)) continue
    objects.add(id, found.data, found.external)
    return found.data
  }
  return undefined
}

/** What is there, or in a base, or comes from the source and is what its id says. */
async function obtain(walk: MetadataWalk, type: MetadataType, id: OstreeId): Promise<Uint8Array> {
  const known = walk.objects.data(id) ?? fromBases(walk, id, false)
  if (known !== undefined) return known
  const bytes = await walk.source.metadata(type, id, walk.signal)
  const actual = hashMetadata(bytes)
  if (actual !== id) {
    throw new SluiceError('SLUICE_DIGEST_MISMATCH', `${type} ${id} has the checksum ${actual}`, {
      details: { expected: id, actual },
    })
  }
  walk.onFetched(id, bytes)
  return bytes
}

function read<Value>(parse: (bytes: Uint8Array) => Value, bytes: Uint8Array, what: string): Value {
  try {
    return parse(bytes)
  } catch (error) {
    throw withContext(error, what)
  }
}
