/** Patches of file content: bsdiff without header and compression, its three streams interleaved (ostree.md §3.6). */
import { formatError } from '../../../errors.js'
import { asBuffer } from '../../bytes.js'

/** The next piece of the new content: `diff` added to the old content from `oldOffset` on, then `extra`. */
export interface PatchStep {
  readonly oldOffset: number
  readonly diff: Buffer
  readonly extra: Buffer
}

/** Three integers. */
const CONTROL_LENGTH = 24

const malformed = (message: string) => formatError('bspatch', message)

/** Sign and magnitude: bit 63 is the sign. */
function readInteger(bytes: Buffer, at: number): number {
  const raw = bytes.readBigUInt64LE(at)
  const magnitude = raw & 0x7fff_ffff_ffff_ffffn
  if (magnitude > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a length or position is out of range')
  return raw === magnitude ? Number(magnitude) : -Number(magnitude)
}

/**
 * The steps of a patch, each checked against both contents before it is given. What follows the one that completes the new
 * content is not looked at.
 *
 * @param oldSize bytes of the old content.
 * @param newSize bytes of the new content: the patch makes exactly so many.
 * @throws SluiceError `SLUICE_FORMAT`, while iterating.
 */
export function* patchSteps(patch: Uint8Array, oldSize: number, newSize: number): Generator<PatchStep> {
  const bytes = asBuffer(patch)
  let at = 0
  let made = 0
  let oldOffset = 0
  while (made < newSize) {
    if (bytes.length - at < CONTROL_LENGTH) throw malformed('it is cut')
    const [diffLength, extraLength, seek] = [0, 8, 16].map((field) => readInteger(bytes, at + field))
    at += CONTROL_LENGTH
    // Two numbers below 2^53 add up to one that compares right with a smaller one.
    const length = diffLength + extraLength
    if (diffLength < 0 || extraLength < 0 || length > newSize - made || length > bytes.length - at) {
      throw malformed('it makes more than the new content, or is cut')
    }
    if (diffLength > 0 && (oldOffset < 0 || diffLength > oldSize - oldOffset)) {
      throw malformed(`${diffLength} bytes at ${oldOffset} of old content that has ${oldSize}`)
    }
    const extra = at + diffLength
    yield { oldOffset, diff: bytes.subarray(at, extra), extra: bytes.subarray(extra, at + length) }
    at += length
    made += length
    oldOffset += diffLength + seek
    if (!Number.isSafeInteger(oldOffset)) throw malformed('a position is out of range')
  }
}

/** Adds `diff` to `old`, byte by byte modulo 256, into `out`; all of one length. */
export function addBytes(old: Uint8Array, diff: Uint8Array, out: Uint8Array): void {
  for (let index = 0; index < diff.length; index++) out[index] = old[index] + diff[index]
}
