/** Sizes in superblocks, which are in the byte order of the machine that made the delta (ostree.md §1.6). */
import { formatError } from '../../../errors.js'
import { lookupAs } from '../../gvariant/dictionary.js'
import { parseType } from '../../gvariant/type.js'
import type { Dictionary } from '../../gvariant/value.js'
import { swap64 } from '../byte-order.js'

/** As serialised: read little-endian. */
export interface StatedSizes {
  readonly compressed: bigint
  readonly uncompressed: bigint
  /** Objects that they are of. */
  readonly objects: number
}

const byteType = parseType<number>('y')
const LITTLE = 0x6c
const BIG = 0x42
/** Objects are not larger on average: the sizes must be in the other order. */
const MAX_AVERAGE = 4n * 1024n ** 3n

/** Whether sizes are in big-endian order: as the delta says, else guessed from the sizes of its parts. */
export function areSizesSwapped(metadata: Dictionary, parts: readonly StatedSizes[]): boolean {
  const stated = lookupAs(metadata, 'ostree.endianness', byteType)
  if (stated === LITTLE) return false
  if (stated === BIG) return true
  if (stated !== undefined) throw formatError('delta', `unknown byte order ${stated}`)
  return parts.some(
    ({ compressed, uncompressed, objects }) =>
      compressed * 10n > uncompressed * 12n || uncompressed > BigInt(objects) * MAX_AVERAGE,
  )
}

/** @throws SluiceError `SLUICE_FORMAT`: 2^53 or more. */
export function toSize(stated: bigint, swapped: boolean): number {
  const size = swapped ? swap64(stated) : stated
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw formatError('delta', `a size of ${size} bytes`)
  return Number(size)
}
