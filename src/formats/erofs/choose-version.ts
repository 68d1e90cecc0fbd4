/** The version rule of the C mkcomposefs (erofs.md §1.2). */
import { SluiceError } from '../../errors.js'
import { isWhiteout, type Directory } from '../tree/tree.js'

const HIGHEST = 1

/**
 * The version that `--min-version` and `--max-version` select for a tree. Without either flag it is 0, or 1 when the tree
 * has a whiteout; when only one is given, the other starts at 0.
 *
 * @throws SluiceError SLUICE_USAGE for versions above 1
 */
export function chooseVersion(root: Directory, min: number | undefined, max: number | undefined): 0 | 1 {
  const lowest = min ?? 0
  const highest = Math.max(max ?? (min === undefined ? HIGHEST : 0), lowest)
  for (const version of [lowest, highest]) {
    if (!Number.isInteger(version) || version < 0 || version > HIGHEST) {
      throw new SluiceError('SLUICE_USAGE', `Invalid argument: image version ${version} (0 and 1 are possible)`)
    }
  }
  if (lowest === 1) return 1
  return highest === 1 && hasWhiteout(root) ? 1 : 0
}

function hasWhiteout(root: Directory): boolean {
  const directories = [root]
  for (const directory of directories) {
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') directories.push(node)
      else if (isWhiteout(node)) return true
    }
  }
  return false
}
