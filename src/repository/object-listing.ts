/** What lies in the 256 directories of objects (repository.md §2.4). */
import { digestLength, objectIdFromPath, type ObjectId } from '../formats/digest.js'
import { namesIn } from './names-in.js'
import type { ObjectStore } from './objects.js'

/** `00` to `ff`; objects are nowhere else. */
export const objectDirectories: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

export interface ObjectEntry {
  readonly name: string
  /** Relative to the repository. */
  readonly path: string
  /** Undefined if the name is not that of an object. */
  readonly id: ObjectId | undefined
}

/** The entries of `objects/<directory>`, sorted; none if it is missing. */
export function listObjects({ directory: root, algorithm }: ObjectStore, directory: string): ObjectEntry[] {
  const names = namesIn(`${root}/${directory}`, 'utf8', `objects/${directory}`)
  const nameLength = 2 * digestLength[algorithm] - 2
  return names.sort().map((name) => ({
    name,
    path: `objects/${directory}/${name}`,
    id: name.length === nameLength ? objectIdFromPath(algorithm, `${directory}/${name}`) : undefined,
  }))
}
