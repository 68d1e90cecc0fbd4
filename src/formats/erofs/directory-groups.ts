/** Directory entries in blocks (erofs.md §4). */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../tree/tree.js'
import { BLOCK_SIZE, DIRENT_SIZE, SLOT_SIZE } from './format.js'
import type { Image } from './image.js'
import type { DirectoryEntry, Inode } from './inode.js'

/** The last group stays behind the inode up to this many bytes; a larger one gets a block. */
const MAX_INLINE_GROUP = 2048

const fileTypes: Readonly<Record<number, number>> = {
  [S_IFREG]: 1,
  [S_IFDIR]: 2,
  [S_IFCHR]: 3,
  [S_IFBLK]: 4,
  [S_IFIFO]: 5,
  [S_IFSOCK]: 6,
  [S_IFLNK]: 7,
}

/** Adds `.` and `..`, which take part in the sort, and cuts the entries into blocks and an inline tail. */
export function groupDirectory(inode: Inode): void {
  const { entries } = inode
  insert(entries, { name: '.', inode })
  insert(entries, { name: '..', inode: inode.parent })
  let sum = 0
  const groups = [0]
  entries.forEach(({ name }, i) => {
    const size = DIRENT_SIZE + name.length
    if (sum + size > BLOCK_SIZE) {
      groups.push(i)
      sum = 0
    }
    sum += size
  })
  const inline = sum <= MAX_INLINE_GROUP
  inode.groups = groups
  inode.blocks = groups.length - (inline ? 1 : 0)
  inode.tail = inline ? sum : 0
  inode.size = inode.blocks * BLOCK_SIZE + inode.tail
}

/** Few names come before `.` and `..`, so this is cheaper than another sort. */
function insert(entries: DirectoryEntry[], entry: DirectoryEntry): void {
  const place = entries.findIndex(({ name }) => name > entry.name)
  entries.splice(place < 0 ? entries.length : place, 0, entry)
}

/** Writes the groups of a placed directory: blocks one after another, the tail behind the inode. */
export function encodeDirectory(inode: Inode, image: Image): void {
  for (const [i, start] of inode.groups.entries()) {
    const at = i < inode.blocks ? (inode.firstBlock + i) * BLOCK_SIZE : inode.tailPosition
    encodeGroup(inode.entries, start, inode.groups[i + 1] ?? inode.entries.length, image, at)
  }
}

function encodeGroup(entries: readonly DirectoryEntry[], start: number, end: number, image: Image, at: number): void {
  const { bytes, view } = image
  let header = at
  let name = at + DIRENT_SIZE * (end - start)
  for (let i = start; i < end; i++) {
    const entry = entries[i]
    // A nid fits 32 bits: images end at 1 GiB.
    view.setUint32(header, entry.inode.position / SLOT_SIZE, true)
    view.setUint16(header + 8, name - at, true)
    view.setUint8(header + 10, fileTypes[entry.inode.type])
    header += DIRENT_SIZE
    name += bytes.write(entry.name, name, 'latin1')
  }
}
