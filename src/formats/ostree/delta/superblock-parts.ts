/**
 * What a superblock says of its parts and fallback objects: its members 6 and 7 (ostree.md §1.6).
 *
 * The sizes among it are not read: nobody needs them, and their byte order is that of the machine that made the delta, which
 * old deltas do not name.
 */
import { SluiceError } from '../../../errors.js'
import { parseType } from '../../gvariant/type.js'
import { ostreeIdFromBytes } from '../ostree-id.js'
import { DeltaObjects, deltaObjectType, type DeltaObject } from './objects.js'

/** Byte range of the file that the superblock was read from. */
export interface FileRange {
  readonly offset: number
  readonly length: number
}

export interface DeltaPart {
  /** SHA-256 of the part file, hex. */
  readonly digest: string
  readonly objects: DeltaObjects
  /** The part file inside the superblock's; without it, the part is a file of its own. */
  readonly inline?: FileRange
}

type PartMembers = readonly [
  version: number,
  digest: Uint8Array,
  compressed: bigint,
  uncompressed: bigint,
  objects: Uint8Array,
]
type FallbackMembers = readonly [type: number, id: Uint8Array, compressed: bigint, uncompressed: bigint]

export const partsType = parseType<readonly PartMembers[]>('a(uayttay)')
export const fallbacksType = parseType<readonly FallbackMembers[]>('a(yaytt)')

export interface SuperblockParts {
  readonly parts: readonly DeltaPart[]
  /** Objects that are fetched as they are. */
  readonly fallbacks: readonly DeltaObject[]
}

/** @param inlinePart where the part of a number is, if it is inline. */
export function readParts(
  parts: readonly PartMembers[],
  fallbacks: readonly FallbackMembers[],
  inlinePart: (index: string) => FileRange | undefined,
): SuperblockParts {
  return {
    parts: parts.map(([version, digest, , , records], index) => {
      // Zero in either byte order.
      if (version !== 0) throw new SluiceError('SLUICE_UNSUPPORTED', `part ${index} of the delta is of a newer version`)
      const inline = inlinePart(String(index))
      return {
        digest: ostreeIdFromBytes(digest),
        objects: new DeltaObjects(records),
        ...(inline === undefined ? {} : { inline }),
      }
    }),
    fallbacks: fallbacks.map(([type, id]) => ({ type: deltaObjectType(type), id: ostreeIdFromBytes(id) })),
  }
}
