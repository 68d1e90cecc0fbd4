/** The file system a path lies on, by the number statfs(2) gives. */
import { statfsSync } from 'node:fs'
import { ioError } from '../errors.js'

/** Magic numbers of statfs(2) and the kernel's headers. */
const names: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'], // ext2 and ext3 as well
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
  [0xf2f52010, 'f2fs'],
  [0x2fc12fc1, 'zfs'],
  [0xca451a4e, 'bcachefs'],
  [0xe0f5e1e2, 'erofs'],
  [0x73717368, 'squashfs'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x65735546, 'fuse'],
  [0x858458f6, 'ramfs'],
])

export interface FileSystem {
  /** Such as `ext4`; the number in hex if it has no name here. */
  readonly type: string
  /** What an unprivileged process may still write. */
  readonly freeBytes: number
}

/** @throws SluiceError if there is no such path. */
export function fileSystemOf(path: string): FileSystem {
  try {
    const { type, bavail, bsize } = statfsSync(path)
    return { type: names.get(type) ?? `0x${type.toString(16)}`, freeBytes: bavail * bsize }
  } catch (error) {
    throw ioError(error, `cannot tell the file system of ${path}`)
  }
}
