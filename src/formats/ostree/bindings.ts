/** What a commit says it is to be called: a commit of another branch under the name of this one shows by it (ostree.md §3.8). */
import type { Dictionary } from '../gvariant/value.js'
import { variant } from '../gvariant/write.js'

/** Metadata of a commit that is to be found under these refs. */
export function refBinding(refs: readonly string[]): Dictionary {
  return [['ostree.ref-binding', variant('as', refs)]]
}
