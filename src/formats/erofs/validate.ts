/** The limits a tree must keep before it is written (erofs.md §2, §9.3). */
import type { ByteString } from '../bytes.js'
import { formatError } from '../../errors.js'
import { shown } from '../tree/path.js'
import type { LeafContent, Stat } from '../tree/tree.js'
import { MAX_FILE_SIZE, MAX_INLINE, MAX_SYMLINK, type Dialect, type ErofsVersion } from './format.js'

const U32 = 2 ** 32
const MIN_MTIME = -(2n ** 63n)
const MAX_MTIME = 2n ** 63n - 1n

function refuse(name: ByteString, problem: string): never {
  throw formatError('erofs', `cannot write ${shown(name)}: ${problem}`)
}

function isU32(value: number | bigint): boolean {
  return Number.isInteger(value) && value >= 0 && value < U32
}

/** Names of directory entries. */
export function checkName(name: ByteString): void {
  if (name === '' || name.length > 255) refuse(name, `a name of ${name.length} bytes (1 to 255 are possible)`)
  if (name === '.' || name === '..') refuse(name, 'a reserved name')
  if (name.includes('/') || name.includes('\0')) refuse(name, 'a slash or NUL in the name')
}

/** Metadata of the inode called `name`. */
export function checkStat(name: ByteString, stat: Stat): void {
  if (!isU32(stat.uid) || !isU32(stat.gid)) refuse(name, `owner ${stat.uid}:${stat.gid} does not fit 32 bits`)
  if (stat.mtime < MIN_MTIME || stat.mtime > MAX_MTIME) refuse(name, `mtime ${stat.mtime} does not fit 64 bits`)
  if (!isU32(stat.mtimeNsec) || stat.mtimeNsec >= 1e9) refuse(name, `${stat.mtimeNsec} is no number of nanoseconds`)
  for (const [key, value] of stat.xattrs) {
    // One NUL at the end is what the reference makes of the names in ostree commits (ostree.md §5.2), and not part of them.
    const bare = key.endsWith('\0') ? key.slice(0, -1) : key
    if (bare === '' || bare.length > 255) refuse(name, `an xattr key of ${bare.length} bytes (1 to 255 are possible)`)
    if (bare.includes('\0')) refuse(name, 'an xattr key with NUL')
    if (value.length > 65535) refuse(name, `an xattr value of ${value.length} bytes (65535 are possible)`)
  }
}

/** What the leaf called `name` holds. */
export function checkContent(name: ByteString, content: LeafContent, version: ErofsVersion, dialect: Dialect): void {
  const epoch = version === 2 ? 'epoch2' : 'epoch1'
  switch (content.type) {
    case 'inline':
      if (content.data.length > MAX_INLINE[epoch]) {
        refuse(name, `${content.data.length} bytes inline (${MAX_INLINE[epoch]} are possible in V${version})`)
      }
      return
    case 'external':
    case 'external-no-verity':
    case 'sparse':
      if (!Number.isInteger(content.size) || content.size < 0 || content.size > MAX_FILE_SIZE) {
        refuse(name, `file too large: ${content.size} bytes (2^53 are possible)`)
      }
      if (content.type === 'external' && content.id.length !== 64 && content.id.length !== 128) {
        refuse(name, `an object id of ${content.id.length} digits`)
      }
      return
    case 'chr':
    case 'blk':
      if (!isU32(content.rdev)) refuse(name, `device number ${content.rdev} does not fit 32 bits`)
      return
    case 'symlink':
      // The Rust tools write every target of a layer (oci.md §2.5), though they do not read one beyond the limit back.
      if (dialect === 'c' && content.target.length > MAX_SYMLINK[epoch]) {
        const { length } = content.target
        refuse(name, `a symlink target of ${length} bytes (${MAX_SYMLINK[epoch]} are possible in V${version})`)
      }
      if (content.target.includes('\0')) refuse(name, 'NUL in the symlink target')
      return
    case 'fifo':
    case 'sock':
  }
}
