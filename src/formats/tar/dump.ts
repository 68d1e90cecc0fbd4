/** Dumpfile lines of a layer's entries as they are, not merged into a tree (oci.md §5.4, `oci layer --dumpfile`). */
import type { ByteString } from '../bytes.js'
import { formatDumpLine, formatHardlinkLine } from '../dumpfile/line.js'
import { dumpLine } from '../dumpfile/write.js'
import { newDirectory, newLeaf, typeBits } from '../tree/tree.js'
import type { TarEntry } from './entry.js'

/** The line of one entry, without the newline. */
export function dumpTarEntry(entry: TarEntry): ByteString {
  if (entry.type === 'hardlink') return formatHardlinkLine(entry.path, entry.target)
  const node = entry.type === 'directory' ? newDirectory(entry.stat) : newLeaf(entry.stat, entry.content)
  // Every name counts for itself here, and all bits of the header's mode are shown.
  const mode = (typeBits(node) | entry.stat.mode) >>> 0
  return formatDumpLine({ ...dumpLine(entry.path, node, 1), mode, nlink: 1 })
}
