/** The tags of a repository as they lie on the disk, for a check: nothing about them is sure (oci.md §5.1). */
import { SluiceError } from '../../errors.js'
import { displayByteString, utf8ByteString, type ByteString } from '../../formats/bytes.js'
import { parseDigest, type Digest } from '../../formats/digest.js'
import { decodeRefName, encodeRefName } from '../../formats/ref-file-name.js'
import { listRefs } from '../../repository/link-listing.js'
import { manifestOfStreamName } from '../../repository/names.js'
import type { Repository } from '../../repository/repository.js'

const DIRECTORY = 'streams/refs/oci/'

export interface Tag {
  readonly name: string
  /** Of the manifest. */
  readonly digest: Digest
  /** Of the link, relative to the repository. */
  readonly path: ByteString
}

/** All tags that name a manifest, whether there is one or not. What names something else is no tag. */
export function listTags(repository: Repository): Tag[] {
  return listRefs(repository.path, 'streams', 'oci').flatMap(({ path, target = '' }) => {
    const digest = manifestDigest(target)
    const name = decodeRefName(displayByteString(path.slice(DIRECTORY.length)))
    return digest === undefined ? [] : [{ name, digest, path }]
  })
}

/** @throws SluiceError `SLUICE_NOT_FOUND`, or `SLUICE_CORRUPT` if the tag does not name a manifest. */
export function findTag(repository: Repository, name: string): Tag {
  const path = `${DIRECTORY}${utf8ByteString(encodeRefName(name))}`
  const link = listRefs(repository.path, 'streams', 'oci').find((entry) => entry.path === path)
  if (link === undefined) throw new SluiceError('SLUICE_NOT_FOUND', `OCI reference not found: ${name}`)
  const digest = manifestDigest(link.target ?? '')
  if (digest !== undefined) return { name, digest, path }
  throw new SluiceError('SLUICE_CORRUPT', `it does not name a manifest: ${displayByteString(link.target ?? path)}`)
}

function manifestDigest(target: ByteString): Digest | undefined {
  const stated = manifestOfStreamName(target.slice(target.lastIndexOf('/') + 1))
  if (stated === undefined) return undefined
  try {
    return parseDigest(stated)
  } catch {
    return undefined
  }
}
