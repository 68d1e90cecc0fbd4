/** What every part of the API speaks in: errors, digests, platforms, defaults. */
export * from '../errors.js'
export { defaults } from '../options.js'
export { parseDigest, parseObjectId, type Digest, type HashAlgorithm, type ObjectId } from '../formats/digest.js'
export { parseReferenceOrName, type BareName, type ImageReference } from '../formats/oci/reference.js'
export { parsePlatform, type Platform } from '../formats/oci/platform.js'
export { verityAlgorithmName } from '../formats/verity/digest.js'
