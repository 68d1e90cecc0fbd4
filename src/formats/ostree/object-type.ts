/** Object types and where objects are in a repository (ostree.md §1.2, §2.1). */
import type { OstreeId } from './ostree-id.js'

/** Type bytes in deltas, and the suffixes of file names. `file` is `.filez` in archive repositories. */
const objectTypes = {
  file: { number: 1, suffix: 'file' },
  dirtree: { number: 2, suffix: 'dirtree' },
  dirmeta: { number: 3, suffix: 'dirmeta' },
  commit: { number: 4, suffix: 'commit' },
  'tombstone-commit': { number: 5, suffix: 'commit-tombstone' },
  commitmeta: { number: 6, suffix: 'commitmeta' },
  'payload-link': { number: 7, suffix: 'payload-link' },
  'file-xattrs': { number: 8, suffix: 'file-xattrs' },
  'file-xattrs-link': { number: 9, suffix: 'file-xattrs-link' },
} as const

export type ObjectType = keyof typeof objectTypes

/** Objects of one commit that are not files. */
export type MetadataType = 'commit' | 'dirtree' | 'dirmeta'

export function objectTypeOfNumber(number: number): ObjectType | undefined {
  return (Object.keys(objectTypes) as ObjectType[]).find((type) => objectTypes[type].number === number)
}

export type ObjectSuffix = (typeof objectTypes)[ObjectType]['suffix'] | 'filez'

/** The path of an object below the repository. */
export function ostreeObjectPath(id: OstreeId, suffix: ObjectSuffix): string {
  return `objects/${id.slice(0, 2)}/${id.slice(2)}.${suffix}`
}
