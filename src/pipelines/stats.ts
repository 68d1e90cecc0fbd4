/**
 * `stats`: what each tag takes, what it shares, and what its removal would free; roots → walk → sizes → shares. Reads as
 * much as a collection, and changes nothing.
 */
import { Breather } from '../flow/breather.js'
import { displayByteString, type ByteString } from '../formats/bytes.js'
import type { Digest, ObjectId } from '../formats/digest.js'
import { decodeRefName } from '../formats/ref-file-name.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import { commitOfStreamName } from '../formats/ostree/ref-name.js'
import { manifestOfStreamName } from '../repository/names.js'
import { defaults } from '../options.js'
import type { Repository } from '../repository/repository.js'
import { layersOf, measureDeduplication, type Deduplication } from '../stages/measure/deduplication.js'
import { readHolders, type Holder } from '../stages/measure/holders.js'
import { findLargestObjects } from '../stages/measure/largest-objects.js'
import { measureObjects } from '../stages/measure/object-sizes.js'
import { measureShares, type Amount, type HolderShare, type ObjectKind } from '../stages/measure/shares.js'
import { DigestTable } from '../stages/walk/digest-table.js'
import { withRepairHint } from './repair-hint.js'

export interface StatsOptions {
  /** How many of the largest objects to tell; default `defaults.largestObjects`. */
  readonly largest?: number
  readonly signal?: AbortSignal
}

/** A name and what it keeps. Of files, equal contents are one; files of at most 64 bytes are in no count. */
export interface RefStats {
  /** The tag, or the ref of ostree; of other refs the path below `refs/`. */
  readonly name: string
  /** A tag, a ref of ostree, a name of an EROFS image, or another ref to a stream. */
  readonly kind: 'oci' | 'ostree' | 'image' | 'stream'
  /** Of a tag. */
  readonly manifestDigest: Digest | undefined
  /** Of a ref of ostree. */
  readonly commit: OstreeId | undefined
  readonly layers: number
  readonly files: Amount
  /** Files that only this image has; other tags of the same image do not count as others. */
  readonly uniqueFiles: Amount
  readonly sharedFiles: Amount
  /** Objects of all kinds that the next collection would remove if this ref was not there. */
  readonly freed: Amount
}

export interface LargeObject {
  readonly id: ObjectId
  readonly bytes: number
  readonly kind: ObjectKind
  /** The name of one image that needs it. */
  readonly name: string | undefined
  /** Of one file with this content in that image, where its EROFS image tells. */
  readonly path: string | undefined
}

export interface RepositoryStats {
  /** Sorted by kind and name. */
  readonly refs: readonly RefStats[]
  readonly repository: {
    readonly objects: Amount
    readonly files: Amount
    /** Of one image, and of several. */
    readonly uniqueFiles: Amount
    readonly sharedFiles: Amount
    /** What a collection would remove now. */
    readonly unreferenced: Amount
    /** Objects that are referred to and not there. */
    readonly missingObjects: number
  }
  /** Of the tagged images and ostree commits, each counted once. */
  readonly deduplication: Deduplication
  readonly largestObjects: readonly LargeObject[]
}

/**
 * Measures a repository.
 *
 * @throws SluiceError as a collection: for a dangling ref, and a root or stream that cannot be read.
 */
export async function measureRepository(repository: Repository, options: StatsOptions = {}): Promise<RepositoryStats> {
  return repository.during(() => measure(repository, options), options.signal)
}

async function measure(repository: Repository, options: StatsOptions): Promise<RepositoryStats> {
  const breather = new Breather(options.signal)
  try {
    const table = new DigestTable(repository.algorithm)
    // Links before objects: what a pull adds meanwhile is complete before it is linked.
    const graph = await readHolders(repository, table, breather)
    const sizes = await measureObjects(repository, table, breather)
    const shares = measureShares(graph, table, sizes)
    const { holders } = graph
    const tagged = holders.filter(({ refs }) => refs.some((path) => ['oci', 'ostree'].includes(kindOf(path))))
    const largest = findLargestObjects(
      repository,
      holders,
      shares,
      table,
      sizes,
      options.largest ?? defaults.largestObjects,
    )
    return {
      refs: holders.flatMap((holder, at) => describeRefs(holder, shares.holders[at])).sort(byKindAndName),
      repository: {
        objects: shares.objects,
        files: shares.files,
        uniqueFiles: shares.uniqueFiles,
        sharedFiles: shares.sharedFiles,
        unreferenced: shares.unreferenced,
        missingObjects: shares.missing,
      },
      deduplication: measureDeduplication(tagged, sizes),
      largestObjects: largest.map(({ holder, ...object }) => ({ ...object, name: holder && nameOf(holder.refs[0]) })),
    }
  } catch (error) {
    throw withRepairHint(error, `cannot measure ${repository.path}`)
  }
}

const TAGS = 'streams/refs/oci/'
const OSTREE_REFS = 'streams/refs/ostree/'

function kindOf(path: ByteString): RefStats['kind'] {
  if (path.startsWith(TAGS)) return 'oci'
  if (path.startsWith(OSTREE_REFS)) return 'ostree'
  return path.startsWith('images/') ? 'image' : 'stream'
}

/** `streams/refs/oci/a%2Fb` is `a/b`, so is `streams/refs/ostree/a%2Fb`; `images/refs/sys/root` is `sys/root`. */
function nameOf(path: ByteString): string {
  const kind = kindOf(path)
  if (kind === 'oci') return decodeRefName(displayByteString(path.slice(TAGS.length)))
  if (kind === 'ostree') return decodeRefName(displayByteString(path.slice(OSTREE_REFS.length)))
  return displayByteString(path.slice(path.indexOf('/refs/') + '/refs/'.length))
}

function describeRefs(holder: Holder, { files, uniqueFiles, freed }: HolderShare): RefStats[] {
  const { entry, refs } = holder
  return refs.map((path) => ({
    name: nameOf(path),
    kind: kindOf(path),
    manifestDigest: manifestOfStreamName(entry) as Digest | undefined,
    commit: commitOfStreamName(entry),
    layers: layersOf(holder).length,
    files,
    uniqueFiles,
    sharedFiles: { count: files.count - uniqueFiles.count, bytes: files.bytes - uniqueFiles.bytes },
    freed: refs.length === 1 ? freed : { count: 0, bytes: 0 },
  }))
}

const kindOrder = ['oci', 'ostree', 'image', 'stream'] as const

function byKindAndName(a: RefStats, b: RefStats): number {
  return kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind) || (a.name < b.name ? -1 : 1)
}
