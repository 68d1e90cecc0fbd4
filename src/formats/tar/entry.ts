/** Entries of a layer as the tree and the dumpfile want them (oci.md §2.5). */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'
import type { LeafContent, Stat } from '../tree/tree.js'
import { flag } from './format.js'
import type { EntryHeader } from './header.js'

/** An entry; `path` begins with a slash and does not end in one, and is empty for the root. */
export type TarEntry =
  | { readonly type: 'directory'; readonly path: ByteString; readonly stat: Stat }
  /** `target` is a path like `path`. A hard link takes the metadata of its target, so it has none. */
  | { readonly type: 'hardlink'; readonly path: ByteString; readonly target: ByteString }
  | { readonly type: 'leaf'; readonly path: ByteString; readonly stat: Stat; readonly content: LeafContent }

/** A name of the archive as a path: one leading slash dropped, one put in front, all trailing ones removed. */
export function absolutePath(name: ByteString): ByteString {
  const path = name.startsWith('/') ? name : `/${name}`
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

/** Metadata as the header and its extensions give it. */
export function statOf(header: EntryHeader): Stat {
  const { mode, uid, gid, mtime, mtimeNsec, xattrs } = header
  return { mode, uid, gid, mtime, mtimeNsec, xattrs }
}

/** Of files without any. */
export const emptyContent: LeafContent = { type: 'inline', data: new Uint8Array(0) }

/** A regular file. */
export function regularFile(header: EntryHeader, content: LeafContent): TarEntry {
  return { type: 'leaf', path: absolutePath(header.path), stat: statOf(header), content }
}

function deviceContent(header: EntryHeader, type: 'chr' | 'blk'): LeafContent {
  if (header.format === 'old') throw formatError('tar', 'a device in a header format without device numbers')
  return { type, rdev: header.rdev }
}

function specialContent(header: EntryHeader): LeafContent {
  switch (header.typeflag) {
    case flag.symlink:
      return { type: 'symlink', target: header.linkTarget }
    case flag.chr:
      return deviceContent(header, 'chr')
    case flag.blk:
      return deviceContent(header, 'blk')
    case flag.fifo:
      return { type: 'fifo' }
    default:
      throw formatError(
        'tar',
        `entries of type ${JSON.stringify(String.fromCharCode(header.typeflag))} are not supported`,
      )
  }
}

/**
 * Any entry but a regular file; its data, if it has some, means nothing.
 * @throws SluiceError for types that no file system has, and for devices in V7 headers.
 */
export function otherEntry(header: EntryHeader): TarEntry {
  const path = absolutePath(header.path)
  if (header.typeflag === flag.hardlink) return { type: 'hardlink', path, target: absolutePath(header.linkTarget) }
  if (header.typeflag === flag.directory) return { type: 'directory', path, stat: statOf(header) }
  return { type: 'leaf', path, stat: statOf(header), content: specialContent(header) }
}
