/** The dumpfile writer: the form of the Rust tools (erofs.md §9.4). */
import { compareByteStrings, type ByteString } from '../bytes.js'
import { objectIdFromPath, objectPath } from '../digest.js'
import { sortedEntries, typeBits, type Directory, type Leaf, type LeafContent, type TreeNode } from '../tree/tree.js'
import { formatDumpLine, formatHardlinkLine, type DumpLine } from './line.js'

/**
 * The lines of a tree, without newlines: depth first, names in byte order, further names of a leaf as hard link lines
 * that name the first one.
 *
 * @param path absolute path of `directory`, with a slash at its end or without; `/` for a root.
 * @param references names of each leaf; they may lie outside `directory`.
 */
export function* writeDumpfile(
  directory: Directory,
  path: ByteString = '/',
  references: ReadonlyMap<Leaf, number> = countReferences(directory),
): Generator<ByteString> {
  const printed = new Map<Leaf, ByteString>()
  const stack: { readonly path: ByteString; readonly names: [ByteString, TreeNode][]; next: number }[] = []
  yield formatDumpLine(dumpLine(path, directory, 0))
  stack.push({ path: path.replace(/\/$/, ''), names: sortedEntries(directory), next: 0 })
  for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
    const entry = open.names[open.next++]
    if (entry === undefined) {
      stack.pop()
      continue
    }
    const node = entry[1]
    const path = `${open.path}/${entry[0]}`
    if (node.kind === 'directory') {
      yield formatDumpLine(dumpLine(path, node, 0))
      stack.push({ path, names: sortedEntries(node), next: 0 })
      continue
    }
    const first = printed.get(node)
    if (first !== undefined) {
      yield formatHardlinkLine(path, first)
      continue
    }
    const count = references.get(node) ?? 1
    if (count > 1) printed.set(node, path)
    yield formatDumpLine(dumpLine(path, node, count))
  }
}

/** How many names each leaf has. */
export function countReferences(root: Directory): Map<Leaf, number> {
  const counts = new Map<Leaf, number>()
  const directories = [root]
  for (const directory of directories) {
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') directories.push(node)
      else counts.set(node, (counts.get(node) ?? 0) + 1)
    }
  }
  return counts
}

/** What the line of `node` says; `references` counts the names of a leaf. */
export function dumpLine(path: ByteString, node: TreeNode, references: number): DumpLine {
  const { mode, uid, gid, mtime, mtimeNsec, xattrs } = node.stat
  const { size, rdev, payload, content, digest } = node.kind === 'directory' ? noContent : describe(node.content)
  return {
    path,
    size,
    // Type bits of the source stay, as the reference prints them.
    mode: (typeBits(node) | mode) >>> 0,
    nlink: node.kind === 'directory' ? 2 + subdirectories(node) : references,
    uid,
    gid,
    rdev,
    mtime,
    mtimeNsec,
    payload,
    content,
    digest,
    xattrs: xattrs.size > 1 ? [...xattrs].sort((a, b) => compareByteStrings(a[0], b[0])) : xattrs,
  }
}

function subdirectories(directory: Directory): number {
  let count = 0
  for (const node of directory.entries.values()) if (node.kind === 'directory') count++
  return count
}

/** The fields that depend on what a leaf is. */
type ContentFields = Required<Pick<DumpLine, 'size' | 'rdev' | 'payload' | 'content' | 'digest'>>

const noContent: ContentFields = { size: 0, rdev: 0, payload: undefined, content: undefined, digest: undefined }

function describe(content: LeafContent): ContentFields {
  switch (content.type) {
    case 'inline':
      return { ...noContent, size: content.data.length, content: content.data }
    case 'external':
      return { ...noContent, size: content.size, payload: content.path ?? objectPath(content.id), digest: content.id }
    case 'external-no-verity': {
      // The Rust tools print the digest in the path as if it were recorded.
      const digest = objectIdFromPath('sha512', content.path) ?? objectIdFromPath('sha256', content.path)
      return { ...noContent, size: content.size, payload: content.path, digest }
    }
    case 'sparse':
      return { ...noContent, size: content.size }
    case 'symlink':
      return { ...noContent, size: content.target.length, payload: content.target }
    case 'chr':
    case 'blk':
      return { ...noContent, rdev: content.rdev }
    case 'fifo':
    case 'sock':
      return noContent
  }
}
