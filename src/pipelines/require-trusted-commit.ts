/** What a commit must be before anything of it is fetched: signed, and bound to what it is pulled as (ostree.md §3.8). */
import { SluiceError, withContext } from '../errors.js'
import { lookupAs } from '../formats/gvariant/dictionary.js'
import { parseType } from '../formats/gvariant/type.js'
import type { Commit } from '../formats/ostree/commit.js'
import { ObjectCollection } from '../formats/ostree/object-collection.js'
import type { OstreeId } from '../formats/ostree/ostree-id.js'
import { collectCommit } from '../stages/ostree/collect-metadata.js'
import type { OstreeSource } from '../stages/ostree/source.js'
import type { CommitObjects } from '../stages/ostree/stored-commit.js'
import { readDetachedSignatures, type DetachedSignatures } from '../stages/ostree-verify/detached-signatures.js'
import { requireSignatures, type TrustedKeys } from '../stages/ostree-verify/verify.js'
import type { SignatureVerdict } from '../stages/ostree-verify/verdict.js'

export interface CommitDemands {
  readonly source: OstreeSource
  /** The commit, if it is here already. */
  readonly stored: CommitObjects | undefined
  /** The branch that it is pulled as. */
  readonly ref: string | undefined
  readonly keys: TrustedKeys | undefined
  readonly collectionId: string | undefined
  readonly signal: AbortSignal
}

export interface TrustedCommit {
  /** The commit object. */
  readonly bytes: Uint8Array
  readonly signatures: readonly SignatureVerdict[]
}

/** @throws SluiceError `SLUICE_POLICY` for a commit that is not as it must be. */
export async function requireTrustedCommit(id: OstreeId, demands: CommitDemands): Promise<TrustedCommit> {
  const { source, stored, keys, signal } = demands
  const objects = new ObjectCollection()
  const here = stored?.get(id)
  if (here !== undefined) objects.add(id, here.data)
  const commit = await collectCommit({ source, objects, signal, onFetched: (id, data) => objects.add(id, data) }, id)
  const bytes = objects.data(id)!
  const signatures = keys === undefined ? [] : await validSignatures(id, bytes, keys, demands)
  requireBindings(id, commit, demands)
  return { bytes, signatures }
}

async function validSignatures(
  id: OstreeId,
  data: Uint8Array,
  keys: TrustedKeys,
  { source, signal }: CommitDemands,
): Promise<SignatureVerdict[]> {
  const file = await source.detachedMetadata(id, signal)
  return requireSignatures(`commit ${id}`, { data, signatures: readSignatures(file, id), keys })
}

function readSignatures(file: Uint8Array | undefined, id: OstreeId): DetachedSignatures {
  try {
    return readDetachedSignatures(file)
  } catch (error) {
    throw withContext(error, `signatures of commit ${id}`)
  }
}

const refsType = parseType<readonly string[]>('as')
const stringType = parseType<string>('s')

/** A signature says that a commit is genuine, a binding that it is the one that was asked for. */
function requireBindings(id: OstreeId, { metadata }: Commit, { ref, collectionId }: CommitDemands): void {
  const refs = lookupAs(metadata, 'ostree.ref-binding', refsType)
  if (ref !== undefined && (refs === undefined ? collectionId !== undefined : !refs.includes(ref))) {
    const bound = refs === undefined || refs.length === 0 ? 'no ref' : refs.join(', ')
    throw new SluiceError('SLUICE_POLICY', `commit ${id} is bound to ${bound}, and so not to ${ref}`, {
      hint: 'the source gives out a commit of another branch under this name; pull it by its id if that is meant',
    })
  }
  if (collectionId === undefined) return
  const collection = lookupAs(metadata, 'ostree.collection-binding', stringType)
  if (collection === collectionId) return
  const bound = collection === undefined ? 'no collection' : `collection ${collection}`
  throw new SluiceError('SLUICE_POLICY', `commit ${id} is bound to ${bound}, not to ${collectionId}`)
}
