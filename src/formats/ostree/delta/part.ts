/** Delta parts: the file and its payload, `(a(uuu)aa(ayay)ayay)` (ostree.md §1.6). */
import { formatError } from '../../../errors.js'
import { readValue } from '../../gvariant/read.js'
import { parseType } from '../../gvariant/type.js'
import { asBuffer } from '../../bytes.js'
import { swap32 } from '../byte-order.js'
import type { OstreeXattrs } from '../xattrs.js'

/** How the payload follows the first byte of the file. */
export type PartCompression = 'none' | 'xz'

export interface DeltaPartPayload {
  readonly modes: readonly { readonly uid: number; readonly gid: number; readonly mode: number }[]
  readonly xattrs: readonly OstreeXattrs[]
  /** What operations take bytes from. */
  readonly data: Buffer
  readonly operations: Buffer
}

const payloadType =
  parseType<
    readonly [
      modes: readonly (readonly [uid: number, gid: number, mode: number])[],
      xattrs: readonly OstreeXattrs[],
      data: Uint8Array,
      operations: Uint8Array,
    ]
  >('(a(uuu)aa(ayay)ayay)')

/** By the first byte of a part file; the payload is what follows. @throws SluiceError `SLUICE_FORMAT` */
export function partCompression(first: number | undefined): PartCompression {
  if (first === 0) return 'none'
  if (first === 0x78) return 'xz'
  throw formatError('delta', first === undefined ? 'a part is empty' : `unknown compression ${first} of a part`)
}

/** Reads a payload after decompression; its byte strings are views. @throws SluiceError `SLUICE_FORMAT` */
export function readPartPayload(bytes: Uint8Array): DeltaPartPayload {
  const [modes, xattrs, data, operations] = readValue(payloadType, bytes)
  return {
    modes: modes.map(([uid, gid, mode]) => ({ uid: swap32(uid), gid: swap32(gid), mode: swap32(mode) })),
    xattrs,
    data: asBuffer(data),
    operations: asBuffer(operations),
  }
}
