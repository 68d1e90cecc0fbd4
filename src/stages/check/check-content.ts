/**
 * Whether what a stream holds, decompressed and put together with its objects, has the digest that it is named by; and for
 * an ostree commit, whether each of its objects has its id.
 */
import { SluiceError } from '../../errors.js'
import { digestHashName, parseDigest, type Digest, type ObjectId } from '../../formats/digest.js'
import type { Breather } from '../../flow/breather.js'
import { commitOfStreamName } from '../../formats/ostree/ref-name.js'
import type { Repository } from '../../repository/repository.js'
import { contentDigest } from '../splitstream/content-digest.js'
import { checkCommitContent } from './check-commit.js'
import { listCompressedLayers } from './compressed-layers.js'
import { reasonOf, type Findings, type Problem } from './findings.js'

/** A stream that can be opened and lacks nothing. */
export interface WholeStream {
  /** As error lines have it: `streams/NAME`. */
  readonly path: string
  readonly id: ObjectId
}

/** Names that end in the digest of the content (repository.md §2.6). */
const namedByDigest: readonly (readonly [prefix: string, problem: Problem])[] = [
  ['streams/oci-layer-', 'layer-digest-mismatch'],
  ['streams/oci-blob-', 'layer-digest-mismatch'],
  ['streams/oci-config-', 'config-digest-mismatch'],
  ['streams/oci-manifest-', 'manifest-digest-mismatch'],
]

/**
 * Gives the paths of those whose content is another, or cannot be put together.
 *
 * @param onStream called after each stream.
 */
export async function checkContents(
  repository: Repository,
  streams: readonly WholeStream[],
  findings: Findings,
  breather: Breather,
  onStream: (done: number, total: number) => void,
): Promise<string[]> {
  const wrong: string[] = []
  let compressed: Promise<ReadonlySet<Digest>> | undefined
  const isCompressed = async (layer: Digest) =>
    (await (compressed ??= listCompressedLayers(repository, breather))).has(layer)
  for (const [i, stream] of streams.entries()) {
    const promised = promiseOf(repository, stream, isCompressed, breather)
    const mismatch = promised && (await mismatchOf(promised))
    if (mismatch !== undefined) {
      wrong.push(stream.path)
      findings.corrupted++
      findings.error(promised!.problem, stream.path, mismatch)
    }
    onStream(i + 1, streams.length)
  }
  return wrong
}

/** What the name of a stream says about its content. */
interface ContentPromise {
  readonly problem: Problem
  /** Gives what is wrong, or throws it. */
  readonly check: () => Promise<string | undefined>
}

/** Undefined if the name promises nothing. */
function promiseOf(
  repository: Repository,
  { path, id }: WholeStream,
  isCompressed: (layer: Digest) => Promise<boolean>,
  breather: Breather,
): ContentPromise | undefined {
  const commit = commitOfStreamName(path.slice('streams/'.length))
  if (commit !== undefined) {
    const check = async () => {
      await checkCommitContent(repository, commit, breather)
      return undefined
    }
    return { problem: 'commit-digest-mismatch', check }
  }
  const named = expectedDigest(path)
  if (named === undefined) return undefined
  const check = async () => {
    const mismatch = await findMismatch(repository, id, named.digest, breather)
    return mismatch !== undefined && (await isCompressed(named.digest)) ? undefined : mismatch
  }
  return { problem: named.problem, check }
}

/** Undefined if the promise is kept. */
async function mismatchOf({ check }: ContentPromise): Promise<string | undefined> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SLUICE_CANCELLED') throw error
    return reasonOf(error)
  }
}

function expectedDigest(path: string): { problem: Problem; digest: Digest } | undefined {
  const known = namedByDigest.find(([prefix]) => path.startsWith(prefix))
  if (known === undefined) return undefined
  const [prefix, problem] = known
  try {
    const digest = parseDigest(path.slice(prefix.length))
    digestHashName(digest)
    return { problem, digest }
  } catch {
    return undefined
  }
}

/** What is wrong with the content; undefined if nothing is. */
async function findMismatch(
  repository: Repository,
  id: ObjectId,
  digest: Digest,
  breather: Breather,
): Promise<string | undefined> {
  const stream = repository.openStreamObject(id, `object ${id}`)
  try {
    const actual = await contentDigest(repository, stream, digest, breather)
    return actual === digest ? undefined : `expected ${digest}, got ${actual}`
  } finally {
    stream.close()
  }
}
