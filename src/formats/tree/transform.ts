/** What makes the merged layers the tree of an image (oci.md §4.0, §4.2). */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'
import { noXattrs, type Directory, type Stat } from './tree.js'

/** Which xattrs an image keeps: `security.capability` only, or `user.*` as well. */
export type XattrMode = 'allowlist-only' | 'keep-user-xattrs'

export interface FinishOptions {
  readonly xattrs: XattrMode
  /** Refuse what the reference refuses: no `/usr`, or a `/run` that is no directory. */
  readonly parity: boolean
}

/**
 * Changes `root` in place: it takes over the metadata of `/usr`, `/run` loses its content, and foreign xattrs go.
 * @throws SluiceError, with parity only, when `/usr` or `/run` is not what it has to be.
 */
export function finishTree(root: Directory, { xattrs, parity }: FinishOptions): void {
  const usr = subdirectory(root, 'usr', parity)
  if (usr !== undefined) root.stat = { ...usr.stat }
  else if (parity) throw formatError('layer', 'directory entry "usr" does not exist')
  const run = subdirectory(root, 'run', parity)
  if (run !== undefined) {
    run.entries.clear()
    // The root has the times of /usr, and stands in for it where there is none.
    run.stat = { ...run.stat, mtime: root.stat.mtime, mtimeNsec: root.stat.mtimeNsec }
  }
  filterXattrs(root, xattrs)
}

/** A directory in the root; undefined if there is none, and for anything else unless that is an error. */
function subdirectory(root: Directory, name: ByteString, parity: boolean): Directory | undefined {
  const node = root.entries.get(name)
  if (node === undefined || node.kind === 'directory') return node
  if (parity) throw formatError('layer', `directory entry "${name}" is not a subdirectory`)
  return undefined
}

function filterXattrs(root: Directory, mode: XattrMode): void {
  const directories = [root]
  for (const directory of directories) {
    directory.stat = keepXattrs(directory.stat, mode)
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') directories.push(node)
      else node.stat = keepXattrs(node.stat, mode)
    }
  }
}

/** What is left of the xattrs; a copy where something changes: the entries that the tree was made of may be used again. */
export function keepXattrs(stat: Stat, mode: XattrMode): Stat {
  if (stat.xattrs.size === 0) return stat
  const keep = (key: ByteString): boolean =>
    key === 'security.capability' || (mode === 'keep-user-xattrs' && key.startsWith('user.'))
  const kept = [...stat.xattrs].filter(([key]) => keep(key))
  return { ...stat, xattrs: kept.length === 0 ? noXattrs : new Map(kept) }
}
