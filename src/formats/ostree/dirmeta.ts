/** Metadata of a directory, `(uuua(ayay))` (ostree.md §1.2). The xattr `user.ostreemeta` of bare-user files has the same form. */
import { formatError } from '../../errors.js'
import { readValue } from '../gvariant/read.js'
import { parseType } from '../gvariant/type.js'
import { writeValue } from '../gvariant/write.js'
import { S_IFDIR, S_IFMT } from '../tree/tree.js'
import { swap32 } from './byte-order.js'
import type { OstreeXattrs } from './xattrs.js'

/** Owner, mode with its type bits, and xattrs. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly xattrs: OstreeXattrs
}

const dirmetaType = parseType<[uid: number, gid: number, mode: number, xattrs: OstreeXattrs]>('(uuua(ayay))')

/** Of a directory or of a bare-user file: any mode. @throws SluiceError `SLUICE_FORMAT` */
export function readOwnership(bytes: Uint8Array): Ownership {
  const [uid, gid, mode, xattrs] = readValue(dirmetaType, bytes)
  return { uid: swap32(uid), gid: swap32(gid), mode: swap32(mode), xattrs }
}

/** @throws SluiceError `SLUICE_FORMAT`: malformed, or the mode is not that of a directory. */
export function readDirmeta(bytes: Uint8Array): Ownership {
  const dirmeta = readOwnership(bytes)
  if (!isModeOf(dirmeta.mode, S_IFDIR)) {
    throw formatError('dirmeta', `mode 0${dirmeta.mode.toString(8)} is not that of a directory`)
  }
  return dirmeta
}

export function writeDirmeta({ uid, gid, mode, xattrs }: Ownership): Buffer {
  return writeValue(dirmetaType, [swap32(uid), swap32(gid), swap32(mode), xattrs])
}

/** Whether all bits of `mode` are those of one of `types` and permissions. */
export function isModeOf(mode: number, ...types: readonly number[]): boolean {
  return mode <= 0o177777 && types.includes(mode & S_IFMT)
}
