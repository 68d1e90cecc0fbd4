/** What a superblock says of its parts and fallback objects: its members 6 and 7 (ostree.md §1.6). */
import { SluiceError } from '../../../errors.js'
import { parseType } from '../../gvariant/type.js'
import type { Dictionary } from '../../gvariant/value.js'
import { ostreeIdFromBytes } from '../ostree-id.js'
import { DeltaObjects, deltaObjectType, type DeltaObject } from './objects.js'
import { areSizesSwapped, toSize } from './sizes.js'

/** Byte range of the file that the superblock was read from. */
export interface FileRange {
  readonly offset: number
  readonly length: number
}

export interface DeltaPart {
  /** SHA-256 of the part file, hex. */
  readonly digest: string
  /** Bytes of the part file. */
  readonly compressedSize: number
  /** Bytes of the objects that it makes; the payload may be smaller or larger. */
  readonly size: number
  readonly objects: DeltaObjects
  /** The part file inside the superblock's; without it, the part is a file of its own. */
  readonly inline?: FileRange
}

/** An object that is fetched as it is. */
export interface FallbackObject extends DeltaObject {
  readonly compressedSize: number
  readonly size: number
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
  readonly fallbacks: readonly FallbackObject[]
}

/**
 * @param metadata says the byte order of sizes.
 * @param inlinePart where the part of a number is, if it is inline.
 */
export function readParts(
  parts: readonly PartMembers[],
  fallbacks: readonly FallbackMembers[],
  metadata: Dictionary,
  inlinePart: (index: string) => FileRange | undefined,
): SuperblockParts {
  const lists = parts.map(([, , , , records]) => new DeltaObjects(records))
  const swapped = areSizesSwapped(
    metadata,
    parts.map(([, , compressed, uncompressed], index) => ({ compressed, uncompressed, objects: lists[index].length })),
  )
  const sizes = (compressed: bigint, uncompressed: bigint) => ({
    compressedSize: toSize(compressed, swapped),
    size: toSize(uncompressed, swapped),
  })
  return {
    parts: parts.map(([version, digest, compressed, uncompressed], index) => {
      // Zero in either byte order.
      if (version !== 0) throw new SluiceError('SLUICE_UNSUPPORTED', `part ${index} of the delta is of a newer version`)
      const inline = inlinePart(String(index))
      return {
        digest: ostreeIdFromBytes(digest),
        ...sizes(compressed, uncompressed),
        objects: lists[index],
        ...(inline === undefined ? {} : { inline }),
      }
    }),
    fallbacks: fallbacks.map(([type, id, compressed, uncompressed]) => ({
      type: deltaObjectType(type),
      id: ostreeIdFromBytes(id),
      ...sizes(compressed, uncompressed),
    })),
  }
}
