/** Digest algorithms, object ids and OCI digests. */
import { SluiceError } from '../errors.js'

/** The hash of a repository: of its fs-verity digests. */
export type HashAlgorithm = 'sha256' | 'sha512'

/** fs-verity digest of a file, lower-case hex (64 or 128 characters): the name of an object. */
export type ObjectId = string & { readonly __brand: 'ObjectId' }

/** An OCI digest, `algorithm:hex`. */
export type Digest = string & { readonly __brand: 'Digest' }

export const digestLength: Readonly<Record<HashAlgorithm, number>> = { sha256: 32, sha512: 64 }

/** The kernel's numbers for the two algorithms. */
export const verityAlgorithmNumber: Readonly<Record<HashAlgorithm, 1 | 2>> = { sha256: 1, sha512: 2 }

/** Checks and normalises hex text to an object id of `algorithm`. */
export function parseObjectId(algorithm: HashAlgorithm, text: string): ObjectId {
  if (text.length !== 2 * digestLength[algorithm] || !/^[0-9a-fA-F]+$/.test(text)) {
    throw new SluiceError('SLUICE_FORMAT', `not a ${algorithm} object id: ${JSON.stringify(text.slice(0, 140))}`)
  }
  return text.toLowerCase() as ObjectId
}

/** The object id in the last `xx/rest` of a link target or path, or undefined (repository.md §1.4). */
export function objectIdFromPath(algorithm: HashAlgorithm, path: string): ObjectId | undefined {
  const tail = path.slice(-(2 * digestLength[algorithm] + 1))
  if (tail.length !== 2 * digestLength[algorithm] + 1 || tail[2] !== '/') return undefined
  const hex = tail.slice(0, 2) + tail.slice(3)
  return /^[0-9a-fA-F]+$/.test(hex) ? (hex.toLowerCase() as ObjectId) : undefined
}

/** `xx/rest`, the path of an object below `objects/`. */
export function objectPath(id: ObjectId): string {
  return `${id.slice(0, 2)}/${id.slice(2)}`
}

export function objectIdToBytes(id: ObjectId): Buffer {
  return Buffer.from(id, 'hex')
}

export function objectIdFromBytes(bytes: Uint8Array): ObjectId {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as ObjectId
}

const digestSyntax = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/
/** Characters of a digest, whatever its algorithm: longer ones could not be part of a file name. */
const MAX_DIGEST = 240

const knownLength: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }

/** Checks the syntax of an OCI digest (oci.md §1.5). */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':')
  const length = colon < 0 ? undefined : knownLength[text.slice(0, colon)]
  const hex = text.slice(colon + 1)
  if (
    colon < 0 ||
    text.length > MAX_DIGEST ||
    !digestSyntax.test(text) ||
    (length !== undefined && (hex.length !== length || !/^[0-9a-f]+$/.test(hex)))
  ) {
    throw new SluiceError('SLUICE_FORMAT', `not a digest: ${JSON.stringify(text.slice(0, 160))}`)
  }
  return text as Digest
}

/** The hash name of a digest for `crypto.createHash`; refuses algorithms that cannot be checked. */
export function digestHashName(digest: Digest): 'sha256' | 'sha384' | 'sha512' {
  const name = digest.slice(0, digest.indexOf(':'))
  if (name === 'sha256' || name === 'sha384' || name === 'sha512') return name
  throw new SluiceError('SLUICE_UNSUPPORTED', `digest algorithm ${name} cannot be verified`)
}
