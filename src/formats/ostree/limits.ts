/** Sizes in bytes: those beyond which nothing is read, and that of inline files. */
import { digestLength, type HashAlgorithm } from '../digest.js'

/** Metadata objects, summaries and signatures, as in libostree (ostree.md §3.8). */
export const MAX_METADATA = 128 * 1024 * 1024

/** Files of refs: an id and white space. */
export const MAX_REF = 4096

/** Configuration of repositories. */
export const MAX_CONFIG = 1024 * 1024

/** Content of so many bytes and fewer lies in the commit stream, more is an object (§3.4). */
export function inlineLimit(algorithm: HashAlgorithm): number {
  return 2 * digestLength[algorithm]
}
